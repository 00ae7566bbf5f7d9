/**
 * What upstream's SetDefaults functions and `+default` markers fill in after decoding. Rules belong to types, not kinds, so a
 * PodSpec gets its defaults wherever it stands. A struct's own rule runs before those of its members, as upstream's do.
 */
import type { Field, Schema, TypeDef } from '../catalog/schema.ts'
import type { JsonObject, JsonValue } from '../resource.ts'
import { admissionRules } from './admission.ts'
import { coreRules } from './core.ts'
import { podRules } from './pods.ts'
import { roundUpToMilli } from './resources.ts'
import type { DefaultingContext, Rule, Rules } from './rules.ts'
import { miscellaneousRules } from './miscellaneous.ts'
import { workloadRules } from './workloads.ts'

const RULES: Rules = { ...coreRules, ...podRules, ...workloadRules, ...admissionRules, ...miscellaneousRules }

interface TypePlan {
  readonly rule: Rule | undefined
  readonly declared: readonly Field[]
  readonly resourceLists: readonly Field[]
  /** Members with a plan of their own somewhere below. */
  readonly members: readonly Field[]
}

const plans = new WeakMap<TypeDef, TypePlan>()

/** Types without anything to default below them are not walked; `visiting` ends the recursion of JSONSchemaProps. */
function hasDefaults(schema: Schema, visiting: Set<TypeDef>): boolean {
  switch (schema.type) {
    case 'array':
      return hasDefaults(schema.items, visiting)
    case 'map':
      return hasDefaults(schema.values, visiting)
    case 'object': {
      const { def } = schema
      if (visiting.has(def)) return false
      visiting.add(def)
      const found = hasOwnDefaults(def) || def.fields.some((f) => hasDefaults(f.schema, visiting))
      visiting.delete(def)
      return found
    }
    default:
      return false
  }
}

const isDeclared = (field: Field): boolean =>
  field.default !== undefined &&
  (field.go?.pointer
    ? typeof field.default !== 'object'
    : field.default !== '' && field.default !== 0 && field.default !== false && typeof field.default !== 'object')

const isResourceList = (field: Field): boolean => field.go?.type === 'v1.ResourceList'

function hasOwnDefaults(def: TypeDef): boolean {
  return RULES[def.name] !== undefined || def.fields.some((f) => isDeclared(f) || isResourceList(f))
}

function planOf(def: TypeDef): TypePlan {
  let plan = plans.get(def)
  if (!plan) {
    plan = {
      rule: RULES[def.name],
      declared: def.fields.filter(isDeclared),
      resourceLists: def.fields.filter(isResourceList),
      members: def.fields.filter((f) => hasDefaults(f.schema, new Set())),
    }
    plans.set(def, plan)
  }
  return plan
}

function applyToStruct(def: TypeDef, object: JsonObject, context: DefaultingContext): void {
  const plan = planOf(def)
  plan.rule?.(object, context)
  for (const field of plan.declared) {
    const value = object[field.name]
    const unset = value === undefined || value === null || (!field.go?.pointer && (value === '' || value === 0))
    if (unset) object[field.name] = field.default as JsonValue
  }
  for (const field of plan.resourceLists) {
    const list = object[field.name]
    if (list) roundUpToMilli(list as Record<string, string>)
  }
  for (const field of plan.members) {
    const value = object[field.name]
    if (value !== undefined && value !== null) applyTo(field.schema, value, context)
  }
}

function applyTo(schema: Schema, value: JsonValue, context: DefaultingContext): void {
  if (schema.type === 'object') applyToStruct(schema.def, value as JsonObject, context)
  else if (schema.type === 'array') for (const item of value as JsonValue[]) applyTo(schema.items, item, context)
  else if (schema.type === 'map')
    for (const key of Object.keys(value as JsonObject)) applyTo(schema.values, (value as JsonObject)[key] as JsonValue, context)
}

/**
 * Fills the defaults into a decoded object, in place: the object must be the caller's own. `def` is the type of its kind.
 * The shape stays Go's, except that members may stand in another order.
 */
export function applyDefaults(def: TypeDef, object: object, context: DefaultingContext = { nowMs: Date.now() }): void {
  applyToStruct(def, object as JsonObject, context)
}
