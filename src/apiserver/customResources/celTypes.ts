/** A structural schema as a declared type of expressions (k8s.io/apiserver/pkg/cel/common's SchemaDeclType). */
import type { CelType } from '../../cel/program.ts'
import { limitOf } from './jsonSchema.ts'
import type { JsonSchema } from './jsonSchema.ts'

const STRING: CelType = { kind: 'string' }
/** What expressions see of an object's metadata. */
const METADATA: JsonSchema = { type: 'object', properties: { name: { type: 'string' }, generateName: { type: 'string' } } }
const BOOL: CelType = { kind: 'bool' }
const DOUBLE: CelType = { kind: 'double' }
const INT: CelType = { kind: 'int' }
const TIMESTAMP: CelType = { kind: 'timestamp' }
const DATE: CelType = { kind: 'timestamp', isDate: true }
const DURATION: CelType = { kind: 'duration' }

const declared = new WeakMap<JsonSchema, CelType | 'none'>()
const declaredResources = new WeakMap<JsonSchema, CelType | 'none'>()
let types = 0

/** Undefined for what has no type: expressions do not see it. A resource has its kind and its name, whatever the schema says. */
export function celTypeOf(schema: JsonSchema, isResource: boolean): CelType | undefined {
  const known = isResource ? declaredResources : declared
  let type = known.get(schema)
  if (type === undefined) {
    type = declare(schema, isResource, `selfType${++types}`) ?? 'none'
    known.set(schema, type)
  }
  return type === 'none' ? undefined : type
}

const below = (schema: JsonSchema, name: string): CelType | undefined =>
  declare(schema, schema['x-kubernetes-embedded-resource'] === true, name)

function declare(schema: JsonSchema, isResource: boolean, name: string): CelType | undefined {
  const maxLength = limitOf(schema.maxLength)
  if (schema['x-kubernetes-int-or-string']) return { kind: 'dyn', ...(maxLength !== undefined && { maxLength }) }
  switch (schema.type) {
    case 'array':
      return declareList(schema, name)
    case 'object':
      return declareObject(schema, isResource, name)
    case 'string':
      return declareString(schema)
    case 'boolean':
      return BOOL
    case 'number':
      return DOUBLE
    case 'integer':
      return INT
    default:
      return undefined
  }
}

function declareString({ format, maxLength: given, enum: values }: JsonSchema): CelType {
  const maxLength = limitOf(given)
  const bound = maxLength === undefined ? {} : { maxLength }
  switch (format) {
    case 'byte':
      return { kind: 'bytes', ...bound }
    case 'duration':
      return DURATION
    case 'date':
      return DATE
    case 'date-time':
      return TIMESTAMP
    default:
  }
  if (maxLength !== undefined) return { kind: 'string', ...bound }
  if (!values?.length) return STRING
  const sizes = values.map((value) => (typeof value === 'string' ? Buffer.byteLength(value) : 0))
  return { kind: 'string', maxSize: Math.max(...sizes) }
}

function declareList(schema: JsonSchema, name: string): CelType | undefined {
  const { items } = schema
  const maxItems = limitOf(schema.maxItems)
  const of = items && below(items, `${name}.@idx`)
  if (!of) return undefined
  const listType = schema['x-kubernetes-list-type']
  return {
    kind: 'list',
    of,
    ...(maxItems !== undefined && { maxItems }),
    ...((listType === 'set' || listType === 'map') && { listType }),
    ...(listType === 'map' && { mapKeys: schema['x-kubernetes-list-map-keys'] ?? [] }),
  }
}

function declareObject(schema: JsonSchema, isResource: boolean, name: string): CelType | undefined {
  const { additionalProperties, properties = {}, required = [] } = schema
  if (typeof additionalProperties === 'object') {
    const of = below(additionalProperties, `${name}.@elem`)
    const maxProperties = limitOf(schema.maxProperties)
    return of && { kind: 'map', of, ...(maxProperties !== undefined && { maxProperties }) }
  }
  const seen: Readonly<Record<string, JsonSchema>> = isResource
    ? { ...properties, apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: METADATA }
    : properties
  const fields = new Map<string, CelType>()
  for (const [field, property] of Object.entries(seen)) {
    const type = below(property, `${name}.${field}`)
    if (type) fields.set(field, type)
  }
  const needed = required.filter((field) => fields.has(field) && seen[field]?.default === undefined)
  return { kind: 'object', name, fields, ...(needed.length > 0 && { required: needed }) }
}
