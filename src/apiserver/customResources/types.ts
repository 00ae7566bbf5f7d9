/** A structural schema as the type that patches, server-side apply and field management are driven by. Parts are made when asked for. */
import type { Field, Schema, TypeDef } from '../../api/catalog/schema.ts'
import { DEDUCED } from '../../merge/apply/typedValue.ts'
import { META_FIELDS, additionalOf } from './jsonSchema.ts'
import type { JsonSchema } from './jsonSchema.ts'

const NOTHING: readonly never[] = []
const STRING: Schema = { type: 'string' }

function field(name: string, schema: Schema, required: boolean, byDefault?: unknown): Field {
  return { name, schema, proto: 0, required, patchStrategy: NOTHING, ...(byDefault !== undefined && { default: byDefault }) }
}

/** The type of a version's objects; `metaType` is ObjectMeta. */
export function typeOfSchema(schema: JsonSchema | undefined, metaType: TypeDef): TypeDef {
  return structOf(schema ?? { 'x-kubernetes-preserve-unknown-fields': true }, metaType, true)
}

function structOf(schema: JsonSchema, metaType: TypeDef, isResource: boolean): TypeDef {
  let fields: readonly Field[] | undefined
  let byName: ReadonlyMap<string, Field> | undefined
  const { properties } = schema
  const isOpen = properties === undefined && schema.additionalProperties === undefined && !isResource
  const def: TypeDef = {
    name: '',
    goName: '',
    get fields() {
      return (fields ??= fieldsOf(schema, metaType, isResource))
    },
    get fieldByName() {
      return (byName ??= new Map(def.fields.map((known) => [known.name, known])))
    },
    atomic: schema['x-kubernetes-map-type'] === 'atomic',
    preserveUnknownFields: isOpen || schema['x-kubernetes-preserve-unknown-fields'] === true,
  }
  return def
}

function fieldsOf(schema: JsonSchema, metaType: TypeDef, isResource: boolean): Field[] {
  const required = new Set(schema.required)
  const meta = isResource
    ? [field('apiVersion', STRING, false), field('kind', STRING, false), field('metadata', { type: 'object', def: metaType }, false)]
    : []
  const own = Object.entries(schema.properties ?? {})
    .filter(([name]) => !isResource || !META_FIELDS.has(name))
    .map(([name, property]) => field(name, schemaOf(property, metaType), required.has(name), property.default))
  return [...meta, ...own]
}

function schemaOf(schema: JsonSchema, metaType: TypeDef): Schema {
  if (schema['x-kubernetes-int-or-string']) return { type: 'intOrString' }
  switch (schema.type) {
    case 'object':
      return mapOf(schema, metaType)
    case 'array':
      return {
        type: 'array',
        items: schema.items ? schemaOf(schema.items, metaType) : DEDUCED,
        listType: (schema['x-kubernetes-list-type'] ?? 'atomic') as 'atomic' | 'set' | 'map',
        listMapKeys: schema['x-kubernetes-list-map-keys'] ?? NOTHING,
        declared: schema['x-kubernetes-list-type'] !== undefined,
      }
    case 'boolean':
      return { type: 'boolean' }
    case 'integer':
      return { type: 'int64' }
    case 'number':
      return { type: 'double' }
    case 'string':
      return STRING
    default:
      return schema.properties ? mapOf(schema, metaType) : DEDUCED
  }
}

function mapOf(schema: JsonSchema, metaType: TypeDef): Schema {
  const embedded = schema['x-kubernetes-embedded-resource'] === true
  if (schema.additionalProperties === undefined || schema.properties) return { type: 'object', def: structOf(schema, metaType, embedded) }
  const values = additionalOf(schema)
  return { type: 'map', values: values ? schemaOf(values, metaType) : DEDUCED, atomic: schema['x-kubernetes-map-type'] === 'atomic' }
}
