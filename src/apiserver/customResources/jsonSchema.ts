/** A structural schema as a definition holds it, with the members typed that the generated shapes leave open. Pure. */
import type { JSONSchemaProps, ValidationRule } from '../../api/kinds/apiextensions/v1.ts'
import type { JsonValue } from '../../api/resource.ts'

type Open = 'items' | 'additionalProperties' | 'properties' | 'allOf' | 'anyOf' | 'oneOf' | 'not' | 'default' | 'enum'

export interface JsonSchema extends Omit<JSONSchemaProps, Open> {
  readonly items?: JsonSchema
  readonly additionalProperties?: JsonSchema | boolean
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly allOf?: readonly JsonSchema[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly not?: JsonSchema
  readonly default?: JsonValue
  readonly enum?: readonly JsonValue[]
  readonly 'x-kubernetes-validations'?: ValidationRule[]
}

export type Json = { [key: string]: JsonValue }

export function isMap(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Members that every object has whatever its schema says. */
export const META_FIELDS: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata'])

export function propertyOf(schema: JsonSchema, key: string): JsonSchema | undefined {
  const { properties } = schema
  return properties && Object.hasOwn(properties, key) ? properties[key] : undefined
}

/** Of values under keys without a property of their own. */
export function additionalOf(schema: JsonSchema): JsonSchema | undefined {
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined
}

/** How much there may be, as estimates count: numbers beyond those that a double holds are bigints in an object. */
export function limitOf(limit: number | undefined): number | undefined {
  return limit === undefined ? undefined : Math.max(0, Number(limit))
}

/** Calls back for the schema and everything in it, until `visit` answers true. */
export function someSchema(schema: JsonSchema | undefined, visit: (schema: JsonSchema) => boolean): boolean {
  if (!schema) return false
  if (visit(schema)) return true
  const { items, additionalProperties, properties, allOf, anyOf, oneOf, not } = schema
  const below = [
    ...(items ? (Array.isArray(items) ? (items as JsonSchema[]) : [items]) : []),
    ...(typeof additionalProperties === 'object' ? [additionalProperties] : []),
    ...(properties ? Object.values(properties) : []),
    ...(allOf ?? []),
    ...(anyOf ?? []),
    ...(oneOf ?? []),
    ...(not ? [not] : []),
  ]
  return below.some((part) => someSchema(part, visit))
}

export function childPath(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`
}

/** `spec.versions[0].schema.openAPIV3Schema.properties[spec]`. */
export function keyPath(path: string, key: string): string {
  return `${path}[${key}]`
}
