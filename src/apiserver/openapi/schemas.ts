/** Types of the catalog as OpenAPI schemas. Version 3 tells defaults and wraps references; version 2 does neither. */
import type { Catalog, GroupVersionKind } from '../../api/catalog/catalog.ts'
import type { Field, ScalarSchema, Schema, TypeDef } from '../../api/catalog/schema.ts'
import type { JsonObject, JsonValue } from '../../api/resource.ts'
import type { Parameter } from './operations.ts'

/** Of parameters that many operations have, as though they were the fields of one definition. */
const PARAMETERS = 'parameters'

/** `description(definition)` and `description(definition, field)`; undefined where nothing is known. */
export type Descriptions = (definition: string, field?: string) => string | undefined

export interface SchemaWriter {
  readonly version: 2 | 3
  readonly prefix: '#/definitions/' | '#/components/schemas/'
  /** Definitions referred to. */
  readonly referred: Set<string>
  readonly describe: Descriptions
}

export function newSchemaWriter(version: 2 | 3, describe: Descriptions = () => undefined): SchemaWriter {
  return { version, prefix: version === 2 ? '#/definitions/' : '#/components/schemas/', referred: new Set(), describe }
}

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const APIEXTENSIONS = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1'

/** Types that look like a scalar and have a definition of their own all the same. */
const DEFINITION_OF: Partial<Record<ScalarSchema['type'], string>> = {
  quantity: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  time: `${META}.Time`,
  microTime: `${META}.MicroTime`,
  intOrString: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  fieldsV1: `${META}.FieldsV1`,
  duration: `${META}.Duration`,
}

const PLAIN: Partial<Record<ScalarSchema['type'], JsonObject>> = {
  string: { type: 'string' },
  boolean: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
}

/** Definitions without fields, which the catalog keeps as scalars. */
function specialDefinition(name: string, version: 2 | 3): JsonObject | undefined {
  switch (name) {
    case DEFINITION_OF.quantity:
      return version === 2 ? { type: 'string' } : { oneOf: [{ type: 'string' }, { type: 'number' }] }
    case DEFINITION_OF.intOrString:
      return version === 2
        ? { type: 'string', format: 'int-or-string' }
        : { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] }
    case DEFINITION_OF.time:
    case DEFINITION_OF.microTime:
      return { type: 'string', format: 'date-time' }
    case DEFINITION_OF.fieldsV1:
    case `${META}.Patch`:
    case RAW_EXTENSION:
      return { type: 'object' }
    default:
      return name.startsWith(`${APIEXTENSIONS}.JSON`) && name !== JSON_SCHEMA_PROPS ? {} : undefined
  }
}

const RAW_EXTENSION = 'io.k8s.apimachinery.pkg.runtime.RawExtension'

function definitionOf(schema: Schema): string | undefined {
  if (schema.type === 'object') return schema.def.name
  if (schema.type === 'any') return schema.definition ? `${APIEXTENSIONS}.${schema.definition}` : RAW_EXTENSION
  return schema.type === 'array' || schema.type === 'map' ? undefined : DEFINITION_OF[schema.type]
}

function reference(writer: SchemaWriter, definition: string): JsonObject {
  writer.referred.add(definition)
  return { $ref: writer.prefix + definition }
}

function schemaOf(writer: SchemaWriter, schema: Schema): JsonObject {
  const definition = definitionOf(schema)
  if (definition) return reference(writer, definition)
  if (schema.type === 'array') {
    const keys: JsonObject = schema.listMapKeys.length ? { 'x-kubernetes-list-map-keys': [...schema.listMapKeys] } : {}
    return {
      type: 'array',
      items: schemaOf(writer, schema.items),
      ...(schema.declared && { 'x-kubernetes-list-type': schema.listType }),
      ...keys,
    }
  }
  if (schema.type === 'map') return { type: 'object', additionalProperties: schemaOf(writer, schema.values) }
  return { ...PLAIN[schema.type as ScalarSchema['type']] }
}

const JSON_SCHEMA_PROPS = `${APIEXTENSIONS}.JSONSchemaProps`

/** Version 3 wraps the references of fields, since nothing may stand beside one; these have not even a description upstream. */
function isUndescribed(def: TypeDef, field: Field): boolean {
  return (
    (def.name === JSON_SCHEMA_PROPS && field.name !== 'default') ||
    (def.name === 'io.k8s.api.networking.v1.IngressRule' && field.name === 'http')
  )
}

function withEnum(description: string, { enum: values, schema }: Field): string {
  if (!values || schema.type !== 'string') return description
  return `${description}\n\nPossible enum values:\n${values.map((value) => ` - \`${JSON.stringify(value)}\``).join('\n')}`
}

export function describeParameter(writer: SchemaWriter, { name, description, options = PARAMETERS }: Parameter): { description?: string } {
  const text = description ?? writer.describe(options, name)
  return text === undefined ? {} : { description: text }
}

/** To the string at the bottom of lists and maps. */
function addEnum(schema: JsonObject, values: string[]): void {
  const inner = schema['items'] ?? schema['additionalProperties']
  if (inner) addEnum(inner as JsonObject, values)
  else if (schema['type'] === 'string') schema['enum'] = values
}

function fieldSchema(writer: SchemaWriter, def: TypeDef, field: Field): JsonObject {
  const description = writer.describe(def.name, field.name)
  const beside: JsonObject = {
    ...(description && { description: withEnum(description, field) }),
    ...(field.default !== undefined && writer.version === 3 && { default: field.default as JsonValue }),
    ...(field.patchStrategy.length && { 'x-kubernetes-patch-strategy': field.patchStrategy.join(',') }),
    ...(field.patchMergeKey && { 'x-kubernetes-patch-merge-key': field.patchMergeKey }),
    ...(field.mapType && { 'x-kubernetes-map-type': field.mapType }),
  }
  const schema = schemaOf(writer, field.schema)
  if (field.enum) addEnum(schema, [...field.enum])
  const wrap = '$ref' in schema && writer.version === 3 && !isUndescribed(def, field)
  return wrap ? { allOf: [schema], ...beside } : { ...schema, ...beside }
}

export type KindsByDefinition = ReadonlyMap<string, readonly GroupVersionKind[]>

/** Which kinds a definition stands for; those that are everywhere (DeleteOptions) for the given groups and versions. */
export function kindsByDefinition(catalog: Catalog, groupVersions = catalog.everywhere.groupVersions): KindsByDefinition {
  const byDefinition = new Map<string, GroupVersionKind[]>()
  const add = (gvk: GroupVersionKind): void => {
    const def = catalog.typeOfKind(gvk)
    if (!def?.published) return
    byDefinition.set(def.name, [...(byDefinition.get(def.name) ?? []), gvk])
  }
  catalog.kinds.forEach(add)
  for (const kind of catalog.everywhere.kinds) for (const { group, version } of groupVersions) add({ group, version, kind })
  return byDefinition
}

/** The schema of one definition; what it refers to is added to `writer.referred`. */
export function definitionSchema(writer: SchemaWriter, catalog: Catalog, name: string, kinds: KindsByDefinition): JsonObject {
  const def = catalog.type(name)
  const description = writer.describe(name)
  const special = specialDefinition(name, writer.version)
  if (special || !def) return { ...special, ...(description && { description }) }
  const required = def.fields.filter((f) => f.required).map((f) => f.name)
  const gvks = kinds.get(name)
  const properties = Object.fromEntries(def.fields.map((f) => [f.name, fieldSchema(writer, def, f)]))
  return {
    ...(description && { description }),
    type: 'object',
    ...(def.fields.length && { properties }),
    ...(required.length && { required }),
    ...(def.atomic && { 'x-kubernetes-map-type': 'atomic' }),
    ...(gvks && { 'x-kubernetes-group-version-kind': gvks.map(({ group, version, kind }) => ({ group, version, kind })) }),
    ...(def.unions !== undefined && { 'x-kubernetes-unions': def.unions as JsonValue }),
  }
}

/** Definitions with everything they refer to. */
export function closure(writer: SchemaWriter, catalog: Catalog, kinds: KindsByDefinition): JsonObject {
  const schemas: JsonObject = {}
  for (const name of writer.referred) schemas[name] = definitionSchema(writer, catalog, name, kinds)
  return Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)))
}
