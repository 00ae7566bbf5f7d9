/** Equality and order of values, numbers of different types included. */
import { escapeField } from './escaping.ts'
import {
  Duration,
  Fault,
  JsonMap,
  JsonObjectValue,
  ListValue,
  MapValue,
  OpaqueValue,
  OptionalValue,
  Timestamp,
  TypeValue,
  Uint,
  Work,
} from './values.ts'
import type { ListMeaning, Value } from './values.ts'

const isNumber = (value: Value): value is bigint | number | Uint =>
  typeof value === 'bigint' || typeof value === 'number' || value instanceof Uint

const plainNumber = (value: bigint | number | Uint): bigint | number => (value instanceof Uint ? value.value : value)

export function equals(a: Value, b: Value, work?: Work): boolean {
  if (a === b) return true
  if (typeof a === 'string' || typeof a === 'boolean' || a === null || b === null) return false
  if (isNumber(a)) {
    // eslint-disable-next-line eqeqeq -- bigints and doubles are compared by what they are worth
    return isNumber(b) && plainNumber(a) == plainNumber(b)
  }
  if (a instanceof ListValue) return b instanceof ListValue && equalLists(a, b, work ?? new Work())
  if (a instanceof MapValue) return b instanceof MapValue && equalMaps(a, b, work ?? new Work())
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name
  if (a instanceof OpaqueValue) return b instanceof OpaqueValue && a.typeName === b.typeName && a.equals(b)
  if (!(a instanceof OptionalValue) || !(b instanceof OptionalValue)) return false
  if (a.value === undefined || b.value === undefined) return a.value === b.value
  return equals(a.value, b.value, work)
}

/** As the operator says it: lists and maps of a declared type are compared with such alone. */
export function equalsOrFails(a: Value, b: Value): boolean {
  if (a instanceof ListValue && a.isDeclared && !(b instanceof ListValue)) throw noOverload()
  if (a instanceof MapValue && a.isDeclared && !(b instanceof MapValue)) throw noOverload()
  return equals(a, b)
}

function equalLists(a: ListValue, b: ListValue, work: Work): boolean {
  work.step()
  if (a.size !== b.size) return false
  if (a.meaning) return equalByMeaning(a, b, a.meaning, work)
  for (let i = 0; i < a.size; i++) if (!equals(a.at(i), b.at(i), work)) return false
  return true
}

/** What an item of a list with a meaning is told apart by; undefined where it has no such thing. */
export function identityOf(item: Value, { listType, mapKeys }: ListMeaning): string | undefined {
  if (listType === 'set') return keyText(item, new Work())
  if (!(item instanceof MapValue)) return undefined
  return mapKeys.map((key) => keyText(propertyOf(item, key), new Work())).join('\0')
}

/** By the name of the property, which an expression may not be able to write. */
function propertyOf(item: MapValue, name: string): Value {
  if (!(item instanceof JsonMap) && !(item instanceof JsonObjectValue)) return item.get(escapeField(name) ?? name) ?? null
  const value = Object.hasOwn(item.json, name) ? item.json[name] : null
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null
}

function keyText(value: Value, work: Work): string | undefined {
  work.step()
  if (typeof value === 'string') return `s${value}`
  if (typeof value === 'boolean' || value === null) return String(value)
  if (isNumber(value)) return `n${plainNumber(value)}`
  if (value instanceof ListValue) return `[${[...value].map((item) => keyText(item, work)).join('\0')}]`
  if (!(value instanceof MapValue)) return undefined
  return `{${value
    .keys()
    .map((key) => `${keyText(key, work)}\0${keyText(value.get(key)!, work)}`)
    .toSorted()
    .join('\0')}}`
}

function equalByMeaning(a: ListValue, b: ListValue, meaning: ListMeaning, work: Work): boolean {
  const items = new Map<string | undefined, Value>()
  for (const item of a) items.set(identityOf(item, meaning), item)
  for (const item of b) {
    const own = items.get(identityOf(item, meaning))
    if (own === undefined || !equals(own, item, work)) return false
  }
  return true
}

function equalMaps(a: MapValue, b: MapValue, work: Work): boolean {
  work.step()
  if (a.size !== b.size) return false
  return a.keys().every((key) => {
    const other = b.get(key)
    return other !== undefined && equals(a.get(key)!, other, work)
  })
}

export const noOverload = (): Fault => new Fault('no such overload')

/** By code points, as Go orders UTF-8. */
function compareStrings(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x === y) continue
    // Surrogates stand for what lies above all other units.
    const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff
    if (isHigh(x) !== isHigh(y)) return isHigh(x) ? 1 : -1
    return x < y ? -1 : 1
  }
  return a.length < b.length ? -1 : 1
}

const order = (a: bigint | number, b: bigint | number): number => (a < b ? -1 : a > b ? 1 : 0)

/** Below zero, zero or above zero. @throws Fault where the two have no order */
export function compare(a: Value, b: Value): number {
  if (typeof a === 'bigint' && typeof b === 'bigint') return order(a, b)
  if (typeof a === 'string' && typeof b === 'string') return compareStrings(a, b)
  if (a !== null && b !== null && isNumber(a) && isNumber(b)) {
    if (Number.isNaN(a) || Number.isNaN(b)) throw new Fault('NaN values cannot be ordered')
    return order(plainNumber(a), plainNumber(b))
  }
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if (a instanceof Timestamp && b instanceof Timestamp) return order(a.nanos, b.nanos)
  if (a instanceof Duration && b instanceof Duration) return order(a.nanos, b.nanos)
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  throw noOverload()
}
