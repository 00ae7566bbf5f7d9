/** How large things can be, in the manner of upstream's estimates: from none to so many, 2^64 at most. */
import { fieldNameOf } from '../escaping.ts'
import type { CelType } from '../program.ts'

export interface Range {
  readonly min: number
  readonly max: number
}

/** Everything that can be counted; more is the same. */
const MOST = 2 ** 64

export const UNKNOWN: Range = { min: 0, max: MOST }
export const fixed = (value: number): Range => ({ min: value, max: value })
const saturated = (value: number): number => (value >= MOST || Number.isNaN(value) ? MOST : value)
export const isUnbounded = (value: number): boolean => value >= MOST

const each = (a: Range, b: Range, of: (x: number, y: number) => number): Range => ({
  min: saturated(of(a.min, b.min)),
  max: saturated(of(a.max, b.max)),
})
export const add = (a: Range, b: Range): Range => each(a, b, (x, y) => x + y)
export const multiply = (a: Range, b: Range): Range => each(a, b, (x, y) => (x === 0 || y === 0 ? 0 : x * y))
export const scale = (a: Range, factor: number): Range => each(a, a, (x) => Math.ceil(x * factor))
export const union = (a: Range, b: Range): Range => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) })

const REQUEST_SIZE_BYTES = 3 * 1024 * 1024
/** Less the brackets or the quotes. */
const CONTENT_SIZE_BYTES = REQUEST_SIZE_BYTES - 2
/** A character takes four bytes at most. */
const CHARACTER_BYTES = 4
const TIME_SIZE_BYTES = 32
const DATE_SIZE_BYTES = 12

const MIN_SIZES_BYTES: Readonly<Partial<Record<CelType['kind'], number>>> = {
  bool: 4,
  int: 1,
  uint: 1,
  double: 1,
  dyn: 1,
  timestamp: 21,
  duration: 3,
}

/** Of its JSON, in bytes. */
export function minSizeOf(type: CelType): number {
  if (type.kind === 'timestamp' && type.isDate) return DATE_SIZE_BYTES
  if (type.kind !== 'object') return MIN_SIZES_BYTES[type.kind] ?? 2
  let size = 2
  for (const name of type.required ?? []) {
    const field = type.fields.get(name)
    if (field) size += name.length + minSizeOf(field) + 4
  }
  return size
}

function maxSizeOf(type: CelType): number {
  switch (type.kind) {
    case 'string':
    case 'dyn':
      return type.maxSize ?? (type.maxLength === undefined ? CONTENT_SIZE_BYTES : type.maxLength * CHARACTER_BYTES)
    case 'bool':
      return type.maxSize ?? 0
    case 'bytes':
      return type.maxSize ?? type.maxLength ?? CONTENT_SIZE_BYTES
    case 'timestamp':
      return type.isDate ? DATE_SIZE_BYTES : TIME_SIZE_BYTES
    case 'duration':
      return TIME_SIZE_BYTES
    case 'list':
      return type.maxItems ?? Math.floor(CONTENT_SIZE_BYTES / (minSizeOf(type.of) + 1))
    case 'map':
      return type.maxProperties ?? Math.floor(CONTENT_SIZE_BYTES / (minSizeOf(type.of) + 6))
    default:
      return 0
  }
}

/** The steps of a path that are no fields. */
export const ITEMS = '@items'
export const VALUES = '@values'
export const KEYS = '@keys'
export const INDICES = '@indices'

export type Path = readonly string[]

const KEY = 'key'

function stepInto(type: CelType, step: string): CelType | typeof KEY | undefined {
  if (type.kind === 'list') return step === ITEMS ? type.of : undefined
  if (type.kind === 'map') {
    if (step === KEYS) return KEY
    // A key that is written as a field is looked for among fields, except where all values are alike in size (attributes of devices).
    const isAlike = type.of.kind === 'dyn' && type.of.maxSize !== undefined
    return step === VALUES || isAlike ? type.of : undefined
  }
  if (type.kind !== 'object') return undefined
  for (const [property, field] of type.fields) {
    const name = fieldNameOf(type, property)
    if (name === step || name === `__${step}__`) return field
  }
  return undefined
}

/**
 * What is declared of the size of what is at the path, from a variable on. A path that begins elsewhere (at the items of a
 * list that the expression made) counts as one from `self`, for upstream's estimate of a resource's rules does not look.
 */
export function declaredSize(path: Path | undefined, variables: Readonly<Record<string, CelType>>): Range | undefined {
  const [root, ...steps] = path ?? []
  if (root === undefined) return undefined
  let type: CelType | undefined = Object.hasOwn(variables, root) ? variables[root] : variables['self']
  for (const [i, step] of steps.entries()) {
    const next: CelType | typeof KEY | undefined = type && stepInto(type, step)
    if (next === KEY) return i === steps.length - 1 ? { min: 0, max: type?.kind === 'map' ? (type.maxKeySize ?? 0) : 0 } : undefined
    type = next
  }
  return type && { min: 0, max: maxSizeOf(type) }
}
