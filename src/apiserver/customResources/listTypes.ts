/** Lists that are sets or maps hold nothing twice (x-kubernetes-list-type). */
import { sortedKeys } from '../../api/jsonValues.ts'
import { duplicate, invalid } from '../../api/validation/fieldErrors.ts'
import type { FieldError } from '../../api/status.ts'
import { additionalOf, childPath, isMap, keyPath, propertyOf } from './jsonSchema.ts'
import type { Json, JsonSchema } from './jsonSchema.ts'

export function validateListTypes(value: unknown, schema: JsonSchema | undefined, path = ''): FieldError[] {
  if (!schema || typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return validateList(value, schema, path)
  const errors: FieldError[] = []
  const additional = additionalOf(schema)
  for (const [key, member] of Object.entries(value as Json)) {
    const property = propertyOf(schema, key)
    if (property) errors.push(...validateListTypes(member, property, childPath(path, key)))
    else if (additional) errors.push(...validateListTypes(member, additional, keyPath(path, key)))
  }
  return errors
}

function validateList(list: readonly unknown[], schema: JsonSchema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const listType = schema['x-kubernetes-list-type']
  if (listType === 'set') errors.push(...doubles(list).map((i) => duplicate(`${path}[${i}]`, list[i])))
  if (listType === 'map') errors.push(...validateMapList(list, schema['x-kubernetes-list-map-keys'] ?? [], path))
  if (schema.items) for (const [i, item] of list.entries()) errors.push(...validateListTypes(item, schema.items, `${path}[${i}]`))
  return errors
}

/** The second occurrence of each value that occurs more than once. */
function doubles(values: readonly unknown[]): number[] {
  const times = new Map<string, number>()
  return values.flatMap((value, i) => {
    const key = canonical(value)
    const before = times.get(key) ?? 0
    times.set(key, before + 1)
    return before === 1 ? [i] : []
  })
}

/** Equal for equal values, whatever the order of members. */
const canonical = (value: unknown): string => JSON.stringify(sortedKeys(value)) ?? 'undefined'

function validateMapList(list: readonly unknown[], keys: readonly string[], path: string): FieldError[] {
  const odd = list.findIndex((item) => item !== null && !isMap(item))
  if (odd >= 0) return [invalid(`${path}[${odd}]`, list[odd], 'must be an object for an array of list-type map')]
  const of = list.map((item) => {
    const map = (item ?? {}) as Json
    return Object.fromEntries(keys.filter((key) => Object.hasOwn(map, key)).map((key) => [key, map[key]]))
  })
  return doubles(of).map((i) => duplicate(`${path}[${i}]`, of[i]))
}
