/** Embedded resources have to be objects of Kubernetes: apiVersion, kind, and metadata by the rules of metadata. */
import type { TypeDef } from '../../api/catalog/schema.ts'
import { DecodeError, decodeValue } from '../../api/codec/json.ts'
import type { ObjectMeta } from '../../api/kinds/meta/v1.ts'
import type { FieldError } from '../../api/status.ts'
import { invalid, required } from '../../api/validation/fieldErrors.ts'
import { isDns1035Label, isPathSegmentName } from '../../api/validation/names.ts'
import { validateObjectMeta } from '../../api/validation/objectMeta.ts'
import { additionalOf, childPath, isMap, keyPath, propertyOf } from './jsonSchema.ts'
import type { Json, JsonSchema } from './jsonSchema.ts'

export function validateEmbedded(value: unknown, schema: JsonSchema | undefined, path: string, metaType: TypeDef): FieldError[] {
  if (!schema || typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap((item, i) => validateEmbedded(item, schema.items, `${path}[${i}]`, metaType))
  const map = value as Json
  const errors = schema['x-kubernetes-embedded-resource'] ? validateResource(map, path, metaType) : []
  const additional = additionalOf(schema)
  for (const [key, member] of Object.entries(map)) {
    const property = propertyOf(schema, key)
    if (property) errors.push(...validateEmbedded(member, property, childPath(path, key), metaType))
    else if (additional) errors.push(...validateEmbedded(member, additional, keyPath(path, key), metaType))
  }
  return errors
}

function validateResource(map: Json, path: string, metaType: TypeDef): FieldError[] {
  const errors: FieldError[] = []
  const { apiVersion, kind, metadata } = map
  const at = (field: string): string => childPath(path, field)
  if (apiVersion === undefined) errors.push(required(at('apiVersion')))
  else if (typeof apiVersion !== 'string') errors.push(invalid(at('apiVersion'), apiVersion, 'must be a string'))
  else if (apiVersion === '') errors.push(invalid(at('apiVersion'), apiVersion, 'must not be empty'))
  else if (apiVersion.split('/').length > 2)
    errors.push(invalid(at('apiVersion'), apiVersion, `unexpected GroupVersion string: ${apiVersion}`))
  if (kind === undefined) errors.push(required(at('kind')))
  else if (typeof kind !== 'string') errors.push(invalid(at('kind'), kind, 'must be a string'))
  else if (kind === '') errors.push(invalid(at('kind'), kind, 'must not be empty'))
  else {
    const broken = isDns1035Label(kind.toLowerCase())
    if (broken.length > 0) errors.push(invalid(at('kind'), kind, `may have mixed case, but should otherwise match: ${broken.join(',')}`))
  }
  if (metadata !== undefined) errors.push(...validateMetadata(metadata, at('metadata'), metaType))
  return errors
}

function validateMetadata(metadata: unknown, path: string, metaType: TypeDef): FieldError[] {
  try {
    const meta = decodeValue((isMap(metadata) ? metadata : {}) as object, metaType).object as unknown as ObjectMeta
    const named = { ...meta, name: meta.name || 'fakename' }
    return validateObjectMeta(named, { namespaced: Boolean(meta.namespace), validateName: isPathSegmentName, anyFinalizers: true }, path)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return [invalid(path, metadata, error.message)]
  }
}
