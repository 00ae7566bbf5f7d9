/** Defaults in a schema have to be valid values themselves (pkg/apiserver/schema/defaulting's ValidateDefaults). */
import type { TypeDef } from '../../api/catalog/schema.ts'
import { DecodeError } from '../../api/codec/json.ts'
import type { JsonValue } from '../../api/resource.ts'
import { aggregated } from '../../api/status.ts'
import type { FieldError } from '../../api/status.ts'
import { sortedKeys } from '../../api/jsonValues.ts'
import { deepEqual } from '../../api/meta.ts'
import { invalid } from '../../api/validation/fieldErrors.ts'
import { validateEmbedded } from './embeddedValidation.ts'
import { META_FIELDS, keyPath, someSchema } from './jsonSchema.ts'
import type { Json, JsonSchema } from './jsonSchema.ts'
import { coerceEmbedded, prune } from './pruning.ts'
import { validateValue } from './valueValidation.ts'

export interface DefaultRules {
  /** ObjectMeta. */
  metaType: TypeDef
  /** False for definitions that already have defaults with unknown fields. */
  requirePruned: boolean
  /** Evaluates the expressions of the schema on the default. */
  validateRules?(value: JsonValue, schema: JsonSchema, path: string): FieldError[]
}

export function validateDefaults(schema: JsonSchema, path: string, rules: DefaultRules): FieldError[] {
  const root = { ...schema, 'x-kubernetes-embedded-resource': true }
  return check(root, path, undefined, rules)
}

/** Where a default inside of a resource's type and metadata stands: in an object with nothing but it. */
interface InResource {
  resource: JsonSchema
  surround(value: JsonValue): JsonValue
}

const resourceOf = (schema: JsonSchema): InResource => ({
  resource: schema,
  surround: (value) => ({ apiVersion: 'validation/v1', kind: 'Validation', ...(value as Json) }),
})

const inside = ({ resource, surround }: InResource, wrap: (value: JsonValue) => JsonValue): InResource => ({
  resource,
  surround: (value) => surround(wrap(value)),
})

/** `inMeta` where the schema is part of a resource's apiVersion, kind or metadata. */
function check(schema: JsonSchema, path: string, inMeta: InResource | undefined, rules: DefaultRules): FieldError[] {
  const errors: FieldError[] = []
  const embedded = schema['x-kubernetes-embedded-resource'] ? resourceOf(schema) : undefined
  const around = embedded ? undefined : inMeta
  if (schema.default !== undefined) errors.push(...checkDefault(schema.default, schema, `${path}.default`, around, rules))
  if (schema.items) errors.push(...check(schema.items, `${path}.items`, around && inside(around, (value) => [value]), rules))
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const holder = embedded && META_FIELDS.has(name) ? embedded : around
    errors.push(...check(property, keyPath(`${path}.properties`, name), holder && inside(holder, (value) => ({ [name]: value })), rules))
  }
  return errors
}

function checkDefault(
  value: JsonValue,
  schema: JsonSchema,
  path: string,
  inMeta: InResource | undefined,
  rules: DefaultRules,
): FieldError[] {
  const read = structuredClone(value)
  const errors: FieldError[] = []
  if (inMeta) errors.push(...checkInMeta(value, path, inMeta, rules))
  else {
    const pruned = structuredClone(value)
    prune(pruned, schema, schema['x-kubernetes-embedded-resource'] === true, [])
    if (rules.requirePruned && !deepEqual(pruned, value)) errors.push(invalid(path, sortedKeys(value), 'must not have unknown fields'))
    const broken = checkResource(read, schema, path, rules)
    if (typeof broken === 'string') return [...errors, invalid(path, sortedKeys(value), broken)]
    if (broken.length > 0) return [...errors, ...broken]
  }
  if (inMeta && errors.length > 0) return errors
  const broken = validateValue(read, withoutIntOrString(schema), path)
  return [...errors, ...(broken.length > 0 ? broken : (rules.validateRules?.(read, schema, path) ?? []))]
}

/** The resource that the default makes has to be one. */
function checkInMeta(value: JsonValue, path: string, { resource, surround }: InResource, rules: DefaultRules): FieldError[] {
  const broken = checkResource(surround(structuredClone(value)), resource, '', rules)
  if (broken.length === 0) return []
  const why = typeof broken === 'string' ? broken : aggregated(broken)
  return [invalid(path, sortedKeys(value), `must result in valid metadata: ${why}`)]
}

/** Changes the value to what metadata looks like. Answers what cannot be read at all as text. */
function checkResource(value: JsonValue, schema: JsonSchema, path: string, rules: DefaultRules): FieldError[] | string {
  try {
    coerceEmbedded(value, schema, path, { type: rules.metaType, dropMalformed: false }, [])
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return error.message
  }
  return validateEmbedded(value, schema, path, rules.metaType)
}

/** Upstream asks nothing of the type of such a value while it is a default. */
function withoutIntOrString(schema: JsonSchema): JsonSchema {
  if (!someSchema(schema, (part) => part['x-kubernetes-int-or-string'] === true)) return schema
  const { 'x-kubernetes-int-or-string': _, items, properties, additionalProperties, ...rest } = schema
  return {
    ...rest,
    ...(items && { items: withoutIntOrString(items) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, withoutIntOrString(property)])),
    }),
    ...(additionalProperties !== undefined && {
      additionalProperties: typeof additionalProperties === 'object' ? withoutIntOrString(additionalProperties) : additionalProperties,
    }),
  }
}
