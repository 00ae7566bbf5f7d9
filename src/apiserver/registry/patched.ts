/** What a patch has made of an object, decoded as a body would be and refused as upstream refuses it. */
import { DecodeError, decodeValue, typeMetaOf } from '../../api/codec/json.ts'
import { kindMismatch } from '../../api/codec/kindMismatch.ts'
import { restore } from '../../api/codec/restore.ts'
import { apiVersionOf } from '../../api/resource.ts'
import { newInvalid } from '../../api/status.ts'
import { show } from '../../api/validation/fieldErrors.ts'
import { goFormat } from '../../merge/jsonValue.ts'
import type { TypeMeta } from '../../api/codec/json.ts'
import type { Catalog, GroupVersionKind } from '../../api/catalog/catalog.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import type { JsonObject, JsonValue } from '../../api/resource.ts'
import type { StatusError } from '../../api/status.ts'
import type { ApiRequest } from '../request.ts'
import type { WriteOptions } from './options.ts'

/** A decoded patch. */
export interface Patcher {
  apply(base: JsonObject): JsonObject
  /** A strategic merge patch itself. */
  strategic?: JsonValue
  /** Keys that stand twice in the patch. */
  strictErrors: readonly string[]
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

/** The object that the patch makes of `base`, which is the caller's to give. */
export function decodePatched(base: JsonObject, { catalog, request, kind, type, patch, validation }: PatchedObject): JsonObject {
  const patched = patch.apply(base)
  // Of a strategic merge patch messages show the patch, of the others what they made.
  const shown = patch.strategic === undefined ? show(JSON.stringify(patched)) : show(goFormat(patch.strategic))
  const { object, strictErrors } = decoded()
  if (strictErrors.length > 0) {
    if (validation === 'Strict') throw rejectPatched(shown, `strict decoding error: ${strictErrors.join(', ')}`)
    if (validation !== 'Ignore') request.warnings.push(...strictErrors)
  }
  // Go's objects, into which a strategic merge patch goes, are of their kind whatever they say.
  if (patch.strategic !== undefined) return { ...object, kind: kind.kind, apiVersion: apiVersionOf(kind) }
  return { ...object, kind: object['kind'] || kind.kind }

  function typeMeta(value: JsonObject): TypeMeta {
    try {
      return typeMetaOf({ text: '', value, keys: -1 })
    } catch (error) {
      if (error instanceof DecodeError) throw rejectPatched(shown, error.message)
      throw error
    }
  }

  function decoded(): { object: JsonObject; strictErrors: string[] } {
    const found = [...patch.strictErrors]
    if (type.name === '') {
      const unknown = attempt(() => request.resource.custom?.coerce(patched) ?? [])
      return { object: patched, strictErrors: [...found, ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`).sort()] }
    }
    if (patch.strategic === undefined) {
      const odd = oddKind(catalog, typeMeta(patched), kind)
      if (odd) throw rejectPatched(shown, odd)
      // Without a version it would be the internal one, which knows the fields by other names.
      if (!patched['apiVersion']) return { object: { kind: kind.kind, metadata: {} }, strictErrors: [...found, ...unknownFields(patched)] }
    }
    const typed = attempt(() => (patch.strategic === undefined ? decodeValue(patched, type) : restore(patched, type)))
    // Upstream decodes what a patch has made from text with sorted keys.
    return { object: typed.object, strictErrors: [...found, ...typed.strictErrors.sort()] }
  }

  function attempt<T>(decode: () => T): T {
    try {
      return decode()
    } catch (error) {
      if (error instanceof DecodeError) throw rejectPatched(shown, error.message)
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
  const { group, version } = apiVersion === '' ? wanted : groupVersionOf(apiVersion)
  const made = { group, version, kind: kind || wanted.kind }
  if (made.kind === wanted.kind && apiVersionOf(made) === apiVersionOf(wanted)) return undefined
  // Another version of the same kind is converted.
  if (made.kind === wanted.kind && made.group === wanted.group && catalog.typeOfKind(made)) return undefined
  return kindMismatch(catalog, made, wanted)
}

function groupVersionOf(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? { group: '', version: apiVersion } : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) }
}
