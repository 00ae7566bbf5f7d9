/** Defaults in a schema have to be valid values themselves (pkg/apiserver/schema/defaulting's ValidateDefaults). */
import type { TypeDef } from '../../api/catalog/schema.ts'
import { DecodeError } from '../../api/codec/json.ts'
import type { JsonValue } from '../../api/resource.ts'
import type { FieldError } from '../../api/status.ts'
import { sortedKeys } from '../../api/jsonValues.ts'
import { deepEqual } from '../../api/meta.ts'
import { invalid } from '../../api/validation/fieldErrors.ts'
import { validateEmbedded } from './embeddedValidation.ts'
import { META_FIELDS, keyPath, someSchema } from './jsonSchema.ts'
import type { JsonSchema } from './jsonSchema.ts'
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
  return check({ ...schema, 'x-kubernetes-embedded-resource': true }, path, false, rules)
}

function check(schema: JsonSchema, path: string, insideMetadata: boolean, rules: DefaultRules): FieldError[] {
  const errors: FieldError[] = []
  const embedded = schema['x-kubernetes-embedded-resource'] === true
  if (schema.default !== undefined)
    errors.push(...checkDefault(schema.default, schema, `${path}.default`, insideMetadata && !embedded, rules))
  if (schema.items) errors.push(...check(schema.items, `${path}.items`, insideMetadata && !embedded, rules))
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const below = (insideMetadata && !embedded) || (embedded && META_FIELDS.has(name))
    errors.push(...check(property, keyPath(`${path}.properties`, name), below, rules))
  }
  return errors
}

function checkDefault(value: JsonValue, schema: JsonSchema, path: string, insideMetadata: boolean, rules: DefaultRules): FieldError[] {
  const embedded = schema['x-kubernetes-embedded-resource'] === true
  const errors: FieldError[] = []
  const copy = structuredClone(value)
  if (!insideMetadata) {
    prune(copy, schema, embedded, [])
    if (rules.requirePruned && !deepEqual(copy, value)) errors.push(invalid(path, sortedKeys(value), 'must not have unknown fields'))
    try {
      coerceEmbedded(copy, schema, path, { type: rules.metaType, dropMalformed: false }, [])
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return [...errors, invalid(path, sortedKeys(value), error.message)]
    }
    const broken = validateEmbedded(copy, schema, path, rules.metaType)
    if (broken.length > 0) return [...errors, ...broken]
  }
  const broken = validateValue(copy, withoutIntOrString(schema), path)
  return [...errors, ...(broken.length > 0 ? broken : (rules.validateRules?.(copy, schema, path) ?? []))]
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
