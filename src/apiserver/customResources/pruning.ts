/**
 * What decoding does to a custom resource (apiextensions-apiserver's pruning and coercion): fields that the schema does not
 * know are cut off, nulls that may not be null are dropped, metadata is brought into shape. In place.
 */
import type { TypeDef } from '../../api/catalog/schema.ts'
import { DecodeError, decodeValue, withoutEmptyOnes } from '../../api/codec/json.ts'
import { META_FIELDS, additionalOf, isMap, propertyOf } from './jsonSchema.ts'
import type { Json, JsonSchema } from './jsonSchema.ts'

/** Collects the paths of what was cut off; undefined where nobody asks. */
/** Go's maps are written by their keys. */
const sortedJson = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    isMap(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  )

export type UnknownFields = string[]

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`)

/** Schemas without anything to cut off below them are known, so that large opaque parts are not walked. */
export function prune(value: unknown, schema: JsonSchema | undefined, isRoot: boolean, unknown: UnknownFields): void {
  const walk = new Pruning(unknown)
  if (isRoot) walk.prune(value, { ...schema, 'x-kubernetes-embedded-resource': true }, '')
  else walk.prune(value, schema, '')
  unknown.sort()
}

class Pruning {
  readonly #unknown: UnknownFields

  constructor(unknown: UnknownFields) {
    this.#unknown = unknown
  }

  prune(value: unknown, schema: JsonSchema | undefined, path: string): void {
    if (typeof value !== 'object' || value === null) return
    if (schema?.['x-kubernetes-preserve-unknown-fields']) return this.#preserve(value, schema, path)
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) this.prune(item, schema?.items, `${path}[${i}]`)
      return
    }
    const map = value as Json
    for (const key of Object.keys(map)) {
      if (schema?.['x-kubernetes-embedded-resource'] && META_FIELDS.has(key)) continue
      const property = schema && propertyOf(schema, key)
      if (property) this.prune(map[key], property, join(path, key))
      else if (schema?.additionalProperties !== undefined) this.prune(map[key], additionalOf(schema), join(path, key))
      else {
        if (!META_FIELDS.has(key) || path !== '') this.#unknown.push(join(path, key))
        delete map[key]
      }
    }
  }

  /** Unknown fields stay; what is declared below is cut as declared. */
  #preserve(value: object, schema: JsonSchema | undefined, path: string): void {
    if (!schema) return
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries())
        if (typeof item === 'object' && item !== null) this.#preserve(item as object, schema.items, `${path}[${i}]`)
      return
    }
    const map = value as Json
    for (const key of Object.keys(map)) {
      if (schema['x-kubernetes-embedded-resource'] && META_FIELDS.has(key)) continue
      const property = propertyOf(schema, key)
      if (property) this.prune(map[key], property, join(path, key))
      else if (schema.additionalProperties !== undefined) this.prune(map[key], additionalOf(schema), join(path, key))
    }
  }
}

/** Nulls where null is not allowed and no default takes their place. */
export function dropNulls(value: unknown, schema: JsonSchema | undefined): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const item of value) dropNulls(item, schema?.items)
    return
  }
  const map = value as Json
  for (const key of Object.keys(map)) {
    const below = schema && (propertyOf(schema, key) ?? additionalOf(schema))
    if (map[key] === null && below && !below.nullable && below.default === undefined) delete map[key]
    else dropNulls(map[key], below)
  }
}

export interface MetadataRules {
  /** ObjectMeta. */
  type: TypeDef
  /** Stored objects lose what is malformed; what a client sends is refused. */
  dropMalformed: boolean
}

const FIELD = /^(unknown|duplicate) field "(.*)"$/s

/** The metadata in ObjectMeta's shape. Throws DecodeError. */
export function coerceMetadata(holder: Json, path: string, rules: MetadataRules, unknown: UnknownFields): void {
  const { metadata } = holder
  if (metadata === undefined) return
  const shaped = decodeMetadata(metadata, path, rules, unknown)
  if (shaped === undefined) delete holder['metadata']
  else holder['metadata'] = shaped
}

function decodeMetadata(metadata: unknown, path: string, rules: MetadataRules, unknown: UnknownFields): Json | undefined {
  try {
    const { object, strictErrors } = decodeValue((metadata ?? {}) as object, rules.type)
    for (const error of strictErrors) {
      const field = FIELD.exec(error)?.[2]
      if (field !== undefined) unknown.push(join(join(path, 'metadata'), field))
    }
    return withoutNullTime(withoutEmptyOnes(object, rules.type))
  } catch (error) {
    if (!(error instanceof DecodeError) || !rules.dropMalformed) throw error
    if (!isMap(metadata)) return undefined
  }
  const kept: Json = {}
  for (const [key, value] of Object.entries(metadata)) {
    try {
      const { object } = decodeValue({ [key]: value }, rules.type)
      const written = withoutEmptyOnes(object, rules.type)
      if (written[key] !== undefined) kept[key] = written[key]
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  return withoutNullTime(kept)
}

function withoutNullTime(metadata: Json): Json {
  if (metadata['creationTimestamp'] === null) delete metadata['creationTimestamp']
  return metadata
}

/** apiVersion, kind and metadata of embedded resources. Throws DecodeError. */
export function coerceEmbedded(
  value: unknown,
  schema: JsonSchema | undefined,
  path: string,
  rules: MetadataRules,
  unknown: UnknownFields,
): void {
  if (!schema || typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) coerceEmbedded(item, schema.items, `${path}[${i}]`, rules, unknown)
    return
  }
  const map = value as Json
  if (schema['x-kubernetes-embedded-resource']) coerceTypeMeta(map, path, rules, unknown)
  for (const key of Object.keys(map)) {
    const below = propertyOf(schema, key) ?? additionalOf(schema)
    if (below) coerceEmbedded(map[key], below, join(path, key), rules, unknown)
  }
}

function coerceTypeMeta(map: Json, path: string, rules: MetadataRules, unknown: UnknownFields): void {
  for (const key of ['apiVersion', 'kind']) {
    const value = map[key]
    if (value === undefined || typeof value === 'string') continue
    if (!rules.dropMalformed) throw new DecodeError(`${join(path, key)}: Invalid value: ${JSON.stringify(value)}: must be a string`)
    delete map[key]
  }
  const { metadata } = map
  try {
    coerceMetadata(map, path, rules, unknown)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new DecodeError(`${join(path, 'metadata')}: Invalid value: ${sortedJson(metadata)}: ${error.message}`, { cause: error })
  }
}

/** Whether any part of the schema holds embedded resources. */
export function hasEmbedded(schema: JsonSchema): boolean {
  const { items, properties, additionalProperties } = schema
  if (schema['x-kubernetes-embedded-resource']) return true
  if (items && hasEmbedded(items)) return true
  if (typeof additionalProperties === 'object' && hasEmbedded(additionalProperties)) return true
  return properties !== undefined && Object.values(properties).some(hasEmbedded)
}
