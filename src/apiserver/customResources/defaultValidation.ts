/** Defaults in a schema have to be valid values themselves (pkg/apiserver/schema/defaulting's ValidateDefaults). */
import type { TypeDef } from '../../api/catalog/schema.ts'
import { DecodeError } from '../../api/codec/json.ts'
import type { JsonValue } from '../../api/resource.ts'
import type { FieldError } from '../../api/status.ts'
import { deepEqual } from '../../api/meta.ts'
import { invalid } from '../../api/validation/fieldErrors.ts'
import { validateEmbedded } from './embeddedValidation.ts'
import { META_FIELDS, keyPath } from './jsonSchema.ts'
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
    if (rules.requirePruned && !deepEqual(copy, value)) errors.push(invalid(path, value, 'must not have unknown fields'))
    try {
      coerceEmbedded(copy, schema, path, { type: rules.metaType, dropMalformed: false }, [])
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return [...errors, invalid(path, value, error.message)]
    }
    const broken = validateEmbedded(copy, schema, path, rules.metaType)
    if (broken.length > 0) return [...errors, ...broken]
  }
  const broken = validateValue(copy, schema, path)
  return [...errors, ...(broken.length > 0 ? broken : (rules.validateRules?.(copy, schema, path) ?? []))]
}
