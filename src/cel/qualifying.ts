/** One step along a path: a field, a key, an index. */
import { Fault, ListValue, MapValue, NONE, OptionalValue, Uint, toMapKey, typeNameOf } from './values.ts'
import type { Value } from './values.ts'

/** A field, or undefined where there is none. Within optionals the path goes on as optionals. */
export function select(value: Value, field: string, isTest: boolean): Value | undefined {
  if (value instanceof MapValue) return isTest ? (value.has(field) ? true : undefined) : value.get(field)
  if (value instanceof OptionalValue) {
    if (value.value === undefined) return isTest ? undefined : NONE
    const inner = select(value.value, field, isTest)
    if (isTest) return inner
    return inner === undefined ? NONE : new OptionalValue(inner)
  }
  if (value instanceof ListValue) throw new Fault("unsupported index type 'string' in list")
  return undefined
}

function positionOf(key: Value): number {
  if (typeof key === 'bigint') return Number(key)
  if (key instanceof Uint) return Number(key.value)
  if (typeof key === 'number') {
    if (Number.isInteger(key)) return key
    throw new Fault(`unsupported index value ${key} in list`)
  }
  throw new Fault(`unsupported index type '${typeNameOf(key)}' in list`)
}

const found = (value: Value, key: Value): Value | undefined => {
  if (value instanceof MapValue) return value.get(key)
  if (!(value instanceof ListValue)) return undefined
  const position = positionOf(key)
  return position >= 0 && position < value.size ? value.at(position) : undefined
}

function keyText(key: Value): string {
  const normal = toMapKey(key)
  return typeof normal === 'object' ? typeNameOf(key) : String(normal)
}

export function index(value: Value, key: Value): Value {
  if (value instanceof OptionalValue) return optionalIndex(value, key) ?? NONE
  const held = found(value, key)
  if (held !== undefined) return held
  throw new Fault(`${value instanceof ListValue ? 'index out of bounds' : 'no such key'}: ${keyText(key)}`)
}

/** undefined where there is nothing. */
export function optionalIndex(value: Value, key: Value): OptionalValue | undefined {
  const inner = value instanceof OptionalValue ? value.value : value
  if (inner === undefined) return undefined
  const held = found(inner, key)
  return held === undefined ? undefined : new OptionalValue(held)
}
