/** What a patch has made of an object, decoded as a body would be and refused as upstream refuses it. */
import { DecodeError, decodeJson, decodeValue, jsonValue, parseJson, typeMetaOf } from '../../api/codec/json.ts'
import { kindMismatch } from '../../api/codec/kindMismatch.ts'
import { restore } from '../../api/codec/restore.ts'
import { apiVersionOf } from '../../api/resource.ts'
import { newInternalError, newInvalid } from '../../api/status.ts'
import { show } from '../../api/validation/fieldErrors.ts'
import { goFormat } from '../../merge/jsonValue.ts'
import type { Decoded, TypeMeta } from '../../api/codec/json.ts'
import type { Catalog, GroupVersionKind } from '../../api/catalog/catalog.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import type { JsonObject, JsonValue } from '../../api/resource.ts'
import type { StatusError } from '../../api/status.ts'
import type { ApiRequest } from '../request.ts'
import type { WriteOptions } from './options.ts'

/** A decoded patch. */
export interface Patcher {
  apply(base: JsonObject): JsonObject
  /** A strategic merge patch itself; once it is applied, without the directives that it has obeyed. */
  strategic?: JsonValue
  /** Keys that stand twice in the patch. */
  strictErrors: readonly string[]
  /** It has numbers whose text counts: what it makes is read from text. */
  odd?: boolean
}

export interface PatchedObject {
  catalog: Catalog
  request: ApiRequest
  /** The kind and type that it has to be of: the resource's, or Scale. */
  kind: GroupVersionKind
  type: TypeDef
  patch: Patcher
  validation: WriteOptions['fieldValidation']
}

function rejectPatched(shown: string, why: string): StatusError {
  return newInvalid({ group: '', kind: '' }, '', [
    { type: 'FieldValueInvalid', field: 'patch', message: `Invalid value: ${shown}: ${why}` },
  ])
}

/** Of a strategic merge patch messages show the patch, of the others what they made. */
function shown(patched: JsonObject, { strategic }: Patcher, type: TypeDef): string {
  if (strategic !== undefined) return show(goFormat(strategic))
  return show(textOf(patched, type))
}

/** JSON as upstream has it in hand: a struct that a patch went into has its members by name, and so has everything of a custom resource. */
function textOf(patched: JsonObject, { name }: TypeDef): string {
  return JSON.stringify(name === '' ? sorted(patched) : Object.fromEntries(Object.entries(patched).sort(byName)))
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1)

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).sort(byName)
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]))
}

/** The object that the patch makes of `base`, which is the caller's to give. */
export function decodePatched(base: JsonObject, { catalog, request, kind, type, patch, validation }: PatchedObject): JsonObject {
  const patched = patch.apply(base)
  const reject = (why: string): StatusError => rejectPatched(shown(patched, patch, type), why)
  const { object, strictErrors } = decoded()
  if (strictErrors.length > 0) {
    if (validation === 'Strict') throw reject(`strict decoding error: ${strictErrors.join(', ')}`)
    if (validation !== 'Ignore') request.warnings.push(...strictErrors)
  }
  // Go's objects, into which a strategic merge patch goes, are of their kind whatever they say.
  if (patch.strategic !== undefined) return { ...object, kind: kind.kind, apiVersion: apiVersionOf(kind) }
  return { ...object, kind: object['kind'] || kind.kind }

  function typeMeta(value: JsonObject): TypeMeta {
    try {
      return typeMetaOf({ text: '', value, keys: -1 })
    } catch (error) {
      if (error instanceof DecodeError) throw reject(error.message)
      throw error
    }
  }

  function checkCustomKind({ kind: made, apiVersion }: TypeMeta): void {
    const odd = oddVersion(apiVersion)
    if (odd) throw reject(odd)
    if (made === '') throw reject(`Object 'Kind' is missing in '${textOf(patched, type)}'`)
    if (apiVersion === '') throw newInternalError(`Object 'apiVersion' is missing in 'object has no apiVersion field'`)
  }

  function decoded(): { object: JsonObject; strictErrors: string[] } {
    const found = [...patch.strictErrors]
    if (type.name === '') {
      checkCustomKind(typeMeta(patched))
      const read = patch.odd ? (attempt(() => jsonValue(parseJson(JSON.stringify(patched))).value) as JsonObject) : patched
      const unknown = attempt(() => request.resource.custom?.coerce(read) ?? [])
      return { object: read, strictErrors: [...found, ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`).sort()] }
    }
    if (patch.strategic === undefined) {
      const odd = oddKind(catalog, typeMeta(patched), kind)
      if (odd) throw reject(odd)
      // Without a version it would be the internal one, which knows the fields by other names.
      if (!patched['apiVersion']) return { object: { kind: kind.kind, metadata: {} }, strictErrors: [...found, ...unknownFields(patched)] }
    }
    const typed = attempt(() => (patch.strategic === undefined ? decodeMerged(patched) : restore(patched, type)))
    // Upstream decodes what a patch has made from text with sorted keys.
    return { object: typed.object, strictErrors: [...found, ...typed.strictErrors.sort()] }
  }

  function decodeMerged(value: JsonObject): Decoded {
    return patch.odd ? decodeJson(JSON.stringify(value), type) : decodeValue(value, type)
  }

  function attempt<T>(decode: () => T): T {
    try {
      return decode()
    } catch (error) {
      if (error instanceof DecodeError) throw reject(error.message)
      throw error
    }
  }
}

function unknownFields(patched: JsonObject): string[] {
  const fields = Object.keys(patched).filter((name) => name !== 'kind' && name !== 'apiVersion')
  return fields.sort().map((name) => `unknown field ${JSON.stringify(name)}`)
}

/** Why a patch must not have made another kind of the object. */
function oddKind(catalog: Catalog, { kind, apiVersion }: TypeMeta, wanted: GroupVersionKind): string | undefined {
  const odd = oddVersion(apiVersion)
  if (odd) return odd
  const { group, version } = apiVersion === '' ? wanted : groupVersionOf(apiVersion)
  const made = { group, version, kind: kind || wanted.kind }
  if (made.kind === wanted.kind && apiVersionOf(made) === apiVersionOf(wanted)) return undefined
  // Another version of the same kind is converted.
  if (made.kind === wanted.kind && made.group === wanted.group && catalog.typeOfKind(made)) return undefined
  return kindMismatch(catalog, made, wanted)
}

function oddVersion(apiVersion: string): string | undefined {
  return apiVersion.split('/').length > 2 ? `unexpected GroupVersion string: ${apiVersion}` : undefined
}

function groupVersionOf(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? { group: '', version: apiVersion } : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) }
}
