/**
 * What makes a schema structural (apiextensions-apiserver's pkg/apiserver/schema): every value has one type, and what is only
 * said to check values says nothing of their shape. Paths are those of messages.
 */
import { forbidden, invalid, required } from '../../api/validation/fieldErrors.ts'
import type { FieldError } from '../../api/status.ts'
import { deepEqual } from '../../api/meta.ts'
import { keyPath, propertyOf } from './jsonSchema.ts'
import type { JsonSchema } from './jsonSchema.ts'
import { compilePattern } from './valueValidation.ts'

type Level = 'root' | 'item' | 'field'

const INT_OR_STRING = [{ type: 'integer' }, { type: 'string' }]

const MISSING_TYPE: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
}

/** Schemas known to be sound: definitions are looked at again with every change of their status. */
const sound = new WeakSet<JsonSchema>()

export function validateStructural(schema: JsonSchema, path: string): FieldError[] {
  if (sound.has(schema)) return []
  const errors = [...invariants(schema, 'root', path), ...completeness(schema, schema, path, path)]
  if (errors.length === 0) sound.add(schema)
  const text = ({ field, message }: FieldError): string => `${field}: ${message}`
  return errors.sort((a, b) => (text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0))
}

function invariants(schema: JsonSchema, level: Level, path: string): FieldError[] {
  const { type, items, properties = {}, additionalProperties } = schema
  const embedded = schema['x-kubernetes-embedded-resource'] ?? false
  const errors: FieldError[] = []
  if (type === 'array' && !items) errors.push(required(`${path}.items`, 'must be specified'))
  if (items) errors.push(...invariants(items, 'item', `${path}.items`))
  for (const [key, property] of Object.entries(properties))
    errors.push(...invariants(property, 'field', keyPath(`${path}.properties`, key)))
  if (additionalProperties !== undefined) {
    if (level === 'root') errors.push(forbidden(`${path}.additionalProperties`, 'must not be used at the root'))
    if (typeof additionalProperties === 'object') errors.push(...invariants(additionalProperties, 'field', `${path}.additionalProperties`))
  }
  errors.push(...extensions(schema, path), ...values(schema, path), ...types(schema, level, path))
  if (level === 'root' || embedded) errors.push(...typeMeta(schema, path))
  const metadata = propertyOf(schema, 'metadata')
  if (metadata) errors.push(...metadataRules(metadata, level === 'root' || embedded, level, keyPath(`${path}.properties`, 'metadata')))
  if (embedded && !schema['x-kubernetes-preserve-unknown-fields'] && Object.keys(properties).length === 0) {
    const why = 'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields'
    errors.push(required(`${path}.properties`, why))
  }
  return errors
}

function types(schema: JsonSchema, level: Level, path: string): FieldError[] {
  const { type, additionalProperties } = schema
  const at = `${path}.type`
  const errors: FieldError[] = []
  if (schema['x-kubernetes-embedded-resource'] && type !== 'object') {
    const why = 'must be object if x-kubernetes-embedded-resource is true'
    errors.push(type ? invalid(at, type, why) : required(at, why))
  } else if (!type && !schema['x-kubernetes-int-or-string'] && schema['x-kubernetes-preserve-unknown-fields'] === undefined)
    errors.push(required(at, MISSING_TYPE[level]))
  if (schema['x-kubernetes-embedded-resource'] && additionalProperties !== undefined)
    errors.push(forbidden(`${path}.additionalProperties`, 'must not be used if x-kubernetes-embedded-resource is set'))
  if (level === 'root' && type && type !== 'object') errors.push(invalid(at, type, 'must be object at the root'))
  return errors
}

function typeMeta(schema: JsonSchema, path: string): FieldError[] {
  return ['kind', 'apiVersion'].flatMap((name) => {
    const property = propertyOf(schema, name)
    return property && property.type !== 'string'
      ? [invalid(`${keyPath(`${path}.properties`, name)}.type`, property.type ?? '', 'must be string')]
      : []
  })
}

/** Of the metadata at the root only the form of the name may be told. */
function metadataRules(metadata: JsonSchema, checked: boolean, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (checked && metadata.type !== 'object') errors.push(invalid(`${path}.type`, metadata.type ?? '', 'must be object'))
  if (level !== 'root') return errors
  const { type: _type, default: _default, properties, ...rest } = metadata
  const names = Object.keys(properties ?? {})
  const onlyNames = names.every((name) => name === 'name' || name === 'generateName')
  if (!onlyNames || Object.keys(rest).length > 0)
    errors.push(forbidden(path, 'must not specify anything other than name and generateName, but metadata is implicitly specified'))
  return errors
}

function extensions(schema: JsonSchema, path: string): FieldError[] {
  if (!schema['x-kubernetes-int-or-string']) return []
  return ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'].flatMap((name) =>
    schema[name as keyof JsonSchema] ? [invalid(`${path}.${name}`, true, 'must be false if x-kubernetes-int-or-string is true')] : [],
  )
}

const isIntOrString = (anyOf: readonly JsonSchema[] | undefined): boolean => deepEqual(anyOf, INT_OR_STRING)

/** With the alternatives of an int-or-string written out, where the definition leaves them to be understood. */
export function withIntOrString(schema: JsonSchema): JsonSchema {
  const { anyOf, allOf = [] } = schema
  if (!schema['x-kubernetes-int-or-string'] || isIntOrString(anyOf) || isIntOrString(allOf[0]?.anyOf)) return schema
  return anyOf ? { ...schema, allOf: [{ anyOf: INT_OR_STRING }, ...allOf] } : { ...schema, anyOf: INT_OR_STRING }
}

/** Checks of values: alternatives may not tell the shape. */
function values(schema: JsonSchema, path: string): FieldError[] {
  const firstAllOf = isIntOrString(schema.allOf?.[0]?.anyOf)
  return alternatives(schema, path, isIntOrString(schema.anyOf), firstAllOf)
}

function alternatives(schema: JsonSchema, path: string, skipAnyOf: boolean, skipFirstAllOfAnyOf: boolean): FieldError[] {
  const errors: FieldError[] = []
  if (!skipAnyOf) for (const [i, part] of (schema.anyOf ?? []).entries()) errors.push(...nested(part, `${path}.anyOf[${i}]`, false))
  for (const [i, part] of (schema.allOf ?? []).entries())
    errors.push(...nested(part, `${path}.allOf[${i}]`, skipFirstAllOfAnyOf && i === 0))
  for (const [i, part] of (schema.oneOf ?? []).entries()) errors.push(...nested(part, `${path}.oneOf[${i}]`, false))
  if (schema.not) errors.push(...nested(schema.not, `${path}.not`, false))
  if (schema.pattern) {
    const compiled = compilePattern(schema.pattern)
    if (typeof compiled === 'string')
      errors.push(invalid(`${path}.pattern`, schema.pattern, `must be a valid regular expression, but isn't: ${compiled}`))
  }
  return errors
}

const SHAPES: readonly (readonly [keyof JsonSchema, string])[] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
]

/** Pointers upstream: set to the empty text they are set. */
const POINTERS: ReadonlySet<string> = new Set(['x-kubernetes-list-type', 'x-kubernetes-map-type', 'default'])

function isSet(schema: JsonSchema, name: keyof JsonSchema): boolean {
  const value = schema[name]
  if (POINTERS.has(name)) return value !== undefined
  return value !== undefined && value !== '' && value !== false && !(Array.isArray(value) && value.length === 0)
}

function nested(schema: JsonSchema, path: string, skipAnyOf: boolean): FieldError[] {
  const errors = alternatives(schema, path, skipAnyOf, false)
  if (schema.items) errors.push(...nested(schema.items, `${path}.items`, false))
  for (const [key, property] of Object.entries(schema.properties ?? {}))
    errors.push(...nested(property, keyPath(`${path}.properties`, key), false))
  for (const [name, why] of SHAPES) {
    if (isSet(schema, name)) errors.push(forbidden(`${path}.${name}`, why))
  }
  if (propertyOf(schema, 'metadata'))
    errors.push(forbidden(keyPath(`${path}.properties`, 'metadata'), 'must not be specified in a nested context'))
  return errors
}

/** Whatever an alternative checks, the schema itself has to have. `sPath` is the schema's, `vPath` the alternative's. */
function completeness(values: JsonSchema, schema: JsonSchema | undefined, sPath: string, vPath: string): FieldError[] {
  const below = (part: JsonSchema, at: string): FieldError[] => nestedCompleteness(part, schema, sPath, `${vPath}.${at}`)
  return [
    ...(values.not ? below(values.not, 'not') : []),
    ...(values.allOf ?? []).flatMap((part, i) => below(part, `allOf[${i}]`)),
    ...(values.anyOf ?? []).flatMap((part, i) => below(part, `anyOf[${i}]`)),
    ...(values.oneOf ?? []).flatMap((part, i) => below(part, `oneOf[${i}]`)),
  ]
}

function nestedCompleteness(values: JsonSchema, schema: JsonSchema | undefined, sPath: string, vPath: string): FieldError[] {
  if (!schema) return [required(sPath, `because it is defined in ${vPath}`)]
  const errors = completeness(values, schema, sPath, vPath)
  if (values.items) errors.push(...nestedCompleteness(values.items, schema.items, `${sPath}.items`, `${vPath}.items`))
  for (const [key, part] of Object.entries(values.properties ?? {})) {
    const at = keyPath(`${sPath}.properties`, key)
    const from = keyPath(`${vPath}.properties`, key)
    const property = propertyOf(schema, key)
    if (property) errors.push(...nestedCompleteness(part, property, at, from))
    else errors.push(required(at, `because it is defined in ${from}`))
  }
  return errors
}
