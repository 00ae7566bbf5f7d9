/** A definition's schema as OpenAPI publishes it: with the fields of every object, and for version 2 without what that cannot say. */
import type { JsonObject, JsonValue } from '../../api/resource.ts'
import type { JsonSchema } from './jsonSchema.ts'
import { withIntOrString } from './structural.ts'

const CONVENTIONS = 'More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md'
const API_VERSION = `APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. ${CONVENTIONS}#resources`
const KIND = `Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. ${CONVENTIONS}#types-kinds`
const METADATA = `Standard object's metadata. ${CONVENTIONS}#metadata`
const EMBEDDED_API_VERSION = `apiVersion defines the versioned schema of this representation of an object. ${CONVENTIONS}#resources`
const EMBEDDED_KIND = `kind is a string value representing the type of this object. In CamelCase. ${CONVENTIONS}#types-kinds`
const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'

export const TYPE_META = { apiVersion: { description: API_VERSION, type: 'string' }, kind: { description: KIND, type: 'string' } }

export function publishedSchema(schema: JsonSchema | undefined, version: 2 | 3, keepsUnknown: boolean): JsonObject {
  if (!schema || (version === 2 && (keepsUnknown || schema['x-kubernetes-preserve-unknown-fields']))) return { type: 'object' }
  const published = publish(schema, version)
  return { ...published, properties: { ...(published['properties'] as JsonObject | undefined), ...TYPE_META, metadata: metadata(version) } }
}

function metadata(version: 2 | 3): JsonObject {
  return describedReference(METADATA, OBJECT_META, version)
}

/** Version 3 lets nothing stand beside a reference: what does is lost on readers (`kubectl explain`). */
export function describedReference(description: string, name: string, version: 2 | 3): JsonObject {
  if (version === 2) return { description, $ref: `#/definitions/${name}` }
  return { description, allOf: [{ $ref: `#/components/schemas/${name}` }] }
}

function publish(schema: JsonSchema, version: 2 | 3): JsonObject {
  const shown: JsonObject = {}
  const source = version === 2 ? forVersion2(schema) : withIntOrString(schema)
  for (const [name, value] of Object.entries(source)) {
    if (name === 'items' || name === 'not') shown[name] = publish(value as JsonSchema, version)
    else if (name === 'additionalProperties')
      shown[name] = typeof value === 'object' ? publish(value as JsonSchema, version) : (value as boolean)
    else if (name === 'properties') {
      const properties = Object.entries(value as Record<string, JsonSchema>)
      shown[name] = Object.fromEntries(properties.map(([key, property]) => [key, publish(property, version)]))
    } else if (name === 'allOf' || name === 'anyOf' || name === 'oneOf')
      shown[name] = (value as readonly JsonSchema[]).map((part) => publish(part, version))
    else if (value !== undefined) shown[name] = value as JsonValue
  }
  const keeps = version === 2 && schema['x-kubernetes-preserve-unknown-fields'] === true
  if (schema['x-kubernetes-embedded-resource'] && !keeps) addTypeMeta(shown, version)
  return shown
}

function addTypeMeta(shown: JsonObject, version: 2 | 3): void {
  const required = (shown['required'] as string[] | undefined) ?? []
  shown['properties'] = {
    ...(shown['properties'] as JsonObject | undefined),
    apiVersion: { description: EMBEDDED_API_VERSION, type: 'string' },
    kind: { description: EMBEDDED_KIND, type: 'string' },
    metadata: metadata(version),
  }
  shown['required'] = [...required, ...['kind', 'apiVersion'].filter((name) => !required.includes(name))]
}

/** Version 2 knows no alternatives, no defaults and no null; what keeps unknown fields says nothing of its shape. */
function forVersion2(schema: JsonSchema): JsonSchema {
  const {
    allOf: _allOf,
    anyOf: _anyOf,
    oneOf: _oneOf,
    not: _not,
    default: _default,
    nullable,
    items,
    properties,
    type,
    required,
    ...rest
  } = schema
  const keeps = schema['x-kubernetes-preserve-unknown-fields'] === true
  const shapeless = nullable === true || keeps
  const untyped = nullable === true || (keeps && type === 'object') || (type === 'array' && (shapeless || !items))
  const additional = schema.additionalProperties
  const nullableValues = typeof additional === 'object' && additional.nullable === true
  const names = nullableValues ? [] : (required ?? []).filter((name) => !properties?.[name]?.nullable || shapeless)
  return {
    ...rest,
    ...(!untyped && type !== undefined && { type }),
    ...(!shapeless && items && { items }),
    ...(!shapeless && properties && { properties }),
    ...(names.length > 0 && { required: names }),
  }
}
