/** Merges an applied configuration into a live object, and takes fields out of an object. */
import type { ArraySchema, MapSchema, ObjectSchema, Schema, TypeDef } from '../../api/catalog/schema.ts'
import { isObject, type JsonObject } from '../jsonValue.ts'
import { type FieldSet, isMember } from './fieldSet.ts'
import { fieldElement, fieldSchema, granular, isHollow, itemElement, itemsByElement, rootSchema } from './typedValue.ts'

/** The configuration wins; what it does not mention stays. */
export function mergeTyped(live: JsonObject, applied: JsonObject, type: TypeDef): JsonObject {
  return mergeMaps(live, applied, rootSchema(type))
}

function mergeValues(live: unknown, applied: unknown, schema: Schema | undefined): unknown {
  if (applied === undefined) return live
  if (live === undefined) return applied
  // A null is of the kind that it meets, and says nothing of what is there.
  const parts = granular(schema, applied ?? live)
  if (!parts || (isHollow(live) && isHollow(applied))) return applied
  if (parts.type === 'array') {
    return mergeLists(Array.isArray(live) ? live : [], Array.isArray(applied) ? applied : [], parts)
  }
  return mergeMaps(isObject(live) ? live : {}, isObject(applied) ? applied : {}, parts)
}

function mergeMaps(live: JsonObject, applied: JsonObject, schema: ObjectSchema | MapSchema): JsonObject {
  const merged = new Map(Object.entries(live))
  for (const [key, value] of Object.entries(applied)) merged.set(key, mergeValues(merged.get(key), value, fieldSchema(schema, key)))
  return Object.fromEntries(merged)
}

/**
 * Items of both lists come in the applied order; items that only the live list has keep their place among those.
 * The configuration has no duplicates (it was validated); the live list may, and they are merged into one.
 */
function mergeLists(live: readonly unknown[], applied: readonly unknown[], schema: ArraySchema): unknown[] {
  const ours = itemsByElement(schema, applied)
  const theirs = itemsByElement(schema, live)
  const liveOrder = live.map((item) => itemElement(schema, item))
  const appliedOrder = [...ours.keys()]
  const shared = appliedOrder.filter((element) => theirs.has(element))
  const placed = new Set<string>()
  const merged: unknown[] = []
  const place = (element: string): void => {
    const same = theirs.get(element) ?? []
    placed.add(element)
    merged.push(mergeValues(same.length === 1 ? same[0] : undefined, ours.get(element)?.[0], schema.items))
    if (shared[0] === element) shared.shift()
  }
  let at = 0
  let next = 0
  while (at < live.length || next < appliedOrder.length) {
    const [here, wanted] = [liveOrder[at], appliedOrder[next]]
    if (here !== undefined && here !== wanted) {
      if (!ours.has(here)) {
        merged.push(live[at++])
        continue
      }
      if (wanted === undefined || (shared[0] !== undefined && shared[0] !== here)) {
        at++
        continue
      }
    }
    if (here === wanted || (here !== undefined && placed.has(here))) at++
    if (wanted !== undefined) {
      place(wanted)
      next++
    }
  }
  return merged
}

/** The object without the members of the set. What becomes empty stays as an empty map or list. */
export function removeItems(object: JsonObject, set: FieldSet, type: TypeDef): JsonObject {
  return removeFromMap(object, set, rootSchema(type))
}

function removeFrom(value: unknown, set: FieldSet, schema: Schema | undefined): unknown {
  const parts = granular(schema, value)
  if (parts?.type === 'array') return Array.isArray(value) ? removeFromList(value, set, parts) : value
  return parts && isObject(value) ? removeFromMap(value, set, parts) : value
}

function removeFromMap(value: JsonObject, set: FieldSet, schema: ObjectSchema | MapSchema): JsonObject {
  const left: [string, unknown][] = []
  for (const [key, part] of Object.entries(value)) {
    const below = set[fieldElement(key)]
    if (!below) left.push([key, part])
    else if (!isMember(below)) left.push([key, removeFrom(part, below, fieldSchema(schema, key))])
  }
  return Object.fromEntries(left)
}

function removeFromList(list: readonly unknown[], set: FieldSet, schema: ArraySchema): unknown[] {
  return list.flatMap((item) => {
    const below = set[itemElement(schema, item)]
    if (!below) return [item]
    return isMember(below) ? [] : [removeFrom(item, below, schema.items)]
  })
}
