/** Objects against their type: parsing and checking what a patch leaves, defaults, zero objects. */
import { DecodeError, JsonSyntaxError, decodeValue, normalize, withoutEmptyLists, parseJson as parseBytes } from '../../api/codec/json.ts'
import { applyDefaults } from '../../api/defaulting/apply.ts'
import { YamlSyntaxError, parseYaml as parseYamlBytes } from '../../api/codec/yaml.ts'
import { apiVersionOf } from '../../api/resource.ts'
import { newBadRequest, newInvalid } from '../../api/status.ts'
import { show } from '../../api/validation/fieldErrors.ts'
import { goFormat } from '../../merge/jsonValue.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import type { JsonObject, JsonValue, KubeObject } from '../../api/resource.ts'
import type { StatusError } from '../../api/status.ts'
import type { ApiRequest } from '../request.ts'
import type { WriteOptions } from './options.ts'

export function parseJson(bytes: Uint8Array, prefix: string): JsonValue {
  try {
    return parseBytes(bytes).value as JsonValue
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw newBadRequest(`${prefix}${error.message}`)
    throw error
  }
}

export function parseYaml(bytes: Uint8Array): { value: JsonValue; strictErrors: readonly string[] } {
  try {
    return parseYamlBytes(bytes)
  } catch (error) {
    if (error instanceof YamlSyntaxError) throw newBadRequest(`error decoding YAML: ${error.message}`)
    throw error
  }
}

function rejectPatched(shown: string, why: string): StatusError {
  return newInvalid({ group: '', kind: '' }, '', [
    { type: 'FieldValueInvalid', field: 'patch', message: `Invalid value: ${shown}: ${why}` },
  ])
}

/** What a patch has made of the object, decoded as a body would be; `shownPatch` is what messages show. */
export function decodePatched(
  request: ApiRequest,
  type: TypeDef,
  patched: JsonObject,
  validation: WriteOptions['fieldValidation'],
  shownPatch?: JsonValue,
): JsonObject {
  const shown = shownPatch === undefined ? show(JSON.stringify(patched)) : show(goFormat(shownPatch))
  let decoded: { object: JsonObject; strictErrors: string[] }
  try {
    decoded = type.name === '' ? decodeCustom(request.resource, patched) : decodeValue(patched, type)
  } catch (error) {
    if (error instanceof DecodeError) throw rejectPatched(shown, error.message)
    throw error
  }
  // Upstream decodes what a patch has made from text with sorted keys.
  decoded.strictErrors.sort()
  if (decoded.strictErrors.length > 0) {
    if (validation === 'Strict') throw rejectPatched(shown, `strict decoding error: ${decoded.strictErrors.join(', ')}`)
    if (validation !== 'Ignore') request.warnings.push(...decoded.strictErrors)
  }
  return decoded.object
}

/** A custom resource as its schema has it. */
function decodeCustom({ custom }: CatalogResource, object: JsonObject): { object: JsonObject; strictErrors: string[] } {
  const unknown = custom?.coerce(object) ?? []
  return { object, strictErrors: unknown.map((path) => `unknown field ${JSON.stringify(path)}`) }
}

/** Fills in what the client left out; the object is the caller's own. */
export function defaultObject(resource: CatalogResource, object: KubeObject, nowMs: number): void {
  if (resource.custom) resource.custom.applyDefaults(object as unknown as JsonObject)
  else applyDefaults(resource.type, object, { nowMs })
}

function hasEmptyList(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.length === 0 || value.some(hasEmptyList)
  for (const key in value) if (hasEmptyList((value as JsonObject)[key])) return true
  return false
}

/** Without optional lists that are empty: they are there until the object is stored, and nobody comes to own them. */
export function asWritten(resource: CatalogResource, object: KubeObject): KubeObject {
  return resource.type.name !== '' && hasEmptyList(object) ? withoutEmptyLists(object, resource.type) : object
}

/** In the shape in which Go writes it: empty fields gone, zero values of required ones there. */
export function normalizeObject(resource: CatalogResource, object: KubeObject): KubeObject {
  return normalize(object, resource.type)
}

/** A zero object of the kind. */
export function emptyObject(resource: CatalogResource): KubeObject {
  if (resource.type.name === '') return { kind: resource.kind, apiVersion: apiVersionOf(resource), metadata: {} } as KubeObject
  const { object } = decodeValue({ metadata: {} }, resource.type)
  return { ...object, kind: resource.kind, apiVersion: apiVersionOf(resource), metadata: {} } as unknown as KubeObject
}
