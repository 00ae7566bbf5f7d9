/** Which fields differ between two values of a type. */
import type { ArraySchema, MapSchema, ObjectSchema, Schema, TypeDef } from '../../api/catalog/schema.ts'
import { deepEqual } from '../../api/meta.ts'
import { isObject, type JsonObject } from '../jsonValue.ts'
import { EMPTY, type FieldSet, LEAF, makeNode } from './fieldSet.ts'
import {
  DEDUCED,
  DEDUCED_MAP,
  fieldElement,
  fieldSchema,
  granular,
  isHollow,
  itemElement,
  itemsByElement,
  rootSchema,
  zeroOf,
} from './typedValue.ts'

export interface Comparison {
  /** Added or modified. */
  readonly changed: FieldSet
  readonly removed: FieldSet
}

interface Difference {
  readonly changed?: FieldSet | undefined
  readonly removed?: FieldSet | undefined
}

const CHANGED: Difference = { changed: LEAF }
const REMOVED: Difference = { removed: LEAF }

/** Throws BadItem where a list holds an item that cannot be in it. */
export function compare(before: JsonObject, after: JsonObject, type: TypeDef): Comparison {
  const difference = compareMaps(before, after, rootSchema(type))
  return { changed: difference?.changed ?? EMPTY, removed: difference?.removed ?? EMPTY }
}

/** undefined is an absent value; answers undefined if there is no difference. */
function compareValues(before: unknown, after: unknown, schema: Schema | undefined): Difference | undefined {
  if (before === after) return undefined
  if (schema === DEDUCED) return compareDeduced(before, after)
  const parts = granular(schema, after ?? before)
  if (!parts || (isHollow(before) && isHollow(after))) return compareWholes(before, after)
  return parts.type === 'array' ? compareLists(before, after, parts) : compareMaps(before, after, parts)
}

/** Where the values are of different kinds, each kind looks at both, and takes what is not of it for nothing. */
function compareDeduced(before: unknown, after: unknown): Difference | undefined {
  const mapOrNull = [before, after].filter((value) => value !== undefined).map((value) => value === null || isObject(value))
  const hollow = [before, after].every((value) => !isObject(value) || isHollow(value))
  if (hollow || !mapOrNull.includes(true)) return compareWholes(before, after)
  const asMaps = compareMaps(before, after, DEDUCED_MAP)
  return mapOrNull.includes(false) ? { changed: makeNode(true, { ...asMaps?.changed }), removed: asMaps?.removed } : asMaps
}

function compareWholes(before: unknown, after: unknown): Difference | undefined {
  if (after === undefined) return REMOVED
  return before !== undefined && deepEqual(before, after) ? undefined : CHANGED
}

/** Gathers the differences of the parts of one value. */
class Parts {
  changed: Record<string, FieldSet> | undefined
  removed: Record<string, FieldSet> | undefined

  add(element: string, difference: Difference | undefined): void {
    if (difference?.changed) (this.changed ??= {})[element] = difference.changed
    if (difference?.removed) (this.removed ??= {})[element] = difference.removed
  }

  /** A value that is there on one side only has come or gone itself, too. */
  difference(before: unknown, after: unknown): Difference | undefined {
    const [added, gone] = [before === undefined, after === undefined]
    if (!this.changed && !this.removed && !added && !gone) return undefined
    return { changed: makeNode(added, this.changed ?? {}), removed: makeNode(gone, this.removed ?? {}) }
  }
}

function compareMaps(before: unknown, after: unknown, schema: ObjectSchema | MapSchema): Difference | undefined {
  const parts = new Parts()
  const old = isObject(before) ? before : {}
  const now = isObject(after) ? after : {}
  for (const key in now) {
    const was = old[key]
    if (was === now[key]) continue
    const zero = was === undefined && before !== undefined ? zeroOf(schema, key) : was
    parts.add(fieldElement(key), compareValues(zero, now[key], fieldSchema(schema, key)))
  }
  for (const key in old) {
    if (now[key] !== undefined || old[key] === undefined) continue
    const zero = after === undefined ? undefined : zeroOf(schema, key)
    parts.add(fieldElement(key), compareValues(old[key], zero, fieldSchema(schema, key)))
  }
  return parts.difference(before, after)
}

function compareLists(before: unknown, after: unknown, schema: ArraySchema): Difference | undefined {
  const parts = new Parts()
  const old = Array.isArray(before) ? (before as unknown[]) : []
  const now = Array.isArray(after) ? (after as unknown[]) : []
  if (!compareInStep(old, now, schema, parts)) compareByElement(old, now, schema, parts)
  return parts.difference(before, after)
}

/** The usual case, the same items in the same order. False if it is not that; then nothing was added to `parts`. */
function compareInStep(old: readonly unknown[], now: readonly unknown[], schema: ArraySchema, parts: Parts): boolean {
  if (old.length !== now.length) return false
  const elements = new Set<string>()
  for (const [i, item] of now.entries()) {
    const element = itemElement(schema, item)
    if (itemElement(schema, old[i]) !== element) return false
    elements.add(element)
  }
  if (elements.size !== now.length) return false
  let i = 0
  for (const element of elements) {
    parts.add(element, compareValues(old[i], now[i], schema.items))
    i++
  }
  return true
}

function compareByElement(old: readonly unknown[], now: readonly unknown[], schema: ArraySchema, parts: Parts): void {
  const oldItems = itemsByElement(schema, old)
  const nowItems = itemsByElement(schema, now)
  for (const element of new Set([...oldItems.keys(), ...nowItems.keys()])) {
    const [was, is] = [oldItems.get(element) ?? [], nowItems.get(element) ?? []]
    if (was.length <= 1 && is.length <= 1) parts.add(element, compareValues(was[0], is[0], schema.items))
    else parts.add(element, compareDuplicates(was, is, schema))
  }
}

/** Items that share one path element are owned together, as a whole. */
function compareDuplicates(was: readonly unknown[], is: readonly unknown[], schema: ArraySchema): Difference | undefined {
  if (was.length >= 2 && is.length >= 2) return deepEqual(was, is) ? undefined : CHANGED
  if (was.length >= 2) {
    const single = is.length === 1 ? compareValues(undefined, is[0], schema.items) : undefined
    return { changed: single?.changed, removed: LEAF }
  }
  const single = was.length === 1 ? compareValues(was[0], undefined, schema.items) : undefined
  return { changed: LEAF, removed: single?.removed }
}
