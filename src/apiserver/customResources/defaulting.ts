/** Defaults of a structural schema, filled in before anything looks at the object: on requests and on what is read from the store. */
import type { JsonValue } from '../../api/resource.ts'
import { additionalOf, propertyOf } from './jsonSchema.ts'
import type { Json, JsonSchema } from './jsonSchema.ts'

interface Plan {
  /** Properties that have a default themselves. */
  readonly declared: readonly (readonly [name: string, schema: JsonSchema])[]
  /** Whether there is anything at all to fill in at or below. */
  readonly any: boolean
}

const plans = new WeakMap<JsonSchema, Plan>()

/** Large schemas mostly default nothing: what need not be walked is found out once. */
function planOf(schema: JsonSchema): Plan {
  let plan = plans.get(schema)
  if (!plan) {
    const properties = Object.entries(schema.properties ?? {})
    const declared = properties.filter(([, property]) => property.default !== undefined)
    const below = [schema.items, additionalOf(schema), ...properties.map(([, property]) => property)]
    const any = below.some((part) => part !== undefined && (part.default !== undefined || planOf(part).any))
    plans.set(schema, (plan = { declared, any }))
  }
  return plan
}

const isForbiddenNull = (value: unknown, schema: JsonSchema | undefined): boolean =>
  value === null && schema !== undefined && !schema.nullable

/** Changes `value` in place. */
export function applyDefaults(value: unknown, schema: JsonSchema | undefined): void {
  if (!schema || typeof value !== 'object' || value === null) return
  const plan = planOf(schema)
  if (!plan.any) return
  if (Array.isArray(value)) applyToList(value as JsonValue[], schema.items)
  else applyToMap(value as Json, schema, plan)
}

function applyToMap(map: Json, schema: JsonSchema, plan: Plan): void {
  for (const [name, property] of plan.declared) {
    if (!Object.hasOwn(map, name) || isForbiddenNull(map[name], property)) map[name] = structuredClone(property.default as JsonValue)
  }
  const additional = additionalOf(schema)
  for (const key of Object.keys(map)) {
    const property = propertyOf(schema, key)
    if (property) applyDefaults(map[key], property)
    else if (additional) {
      if (isForbiddenNull(map[key], additional)) map[key] = structuredClone(additional.default ?? null)
      applyDefaults(map[key], additional)
    }
  }
}

function applyToList(list: JsonValue[], items: JsonSchema | undefined): void {
  if (!items) return
  for (const [i, item] of list.entries()) {
    if (isForbiddenNull(item, items)) list[i] = structuredClone(items.default ?? null)
    applyDefaults(list[i], items)
  }
}
