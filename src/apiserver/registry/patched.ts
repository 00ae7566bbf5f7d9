/** What a patch has made of an object, decoded as a body would be and refused as upstream refuses it. */
import { DecodeError, decodeJson, decodeValue, jsonValue, parseJson, typeMetaOf } from '../../api/codec/json.ts'
import { metadataInOrder } from '../../api/codec/jsonText.ts'
import { INTERNAL, kindMismatch } from '../../api/codec/kindMismatch.ts'
import { restore } from '../../api/codec/restore.ts'
import { sortedKeys } from '../../api/jsonValues.ts'
import { apiVersionOf, parseGroupVersion, unexpectedGroupVersion } from '../../api/resource.ts'
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
  if (name === '') return JSON.stringify(sortedKeys(patched))
  const members = Object.entries(patched).map(
    ([key, value]) => [key, key === 'metadata' ? metadataInOrder(value) : value] as [string, unknown],
  )
  return JSON.stringify(Object.fromEntries(members.sort(byName)))
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1)

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
    if (!parseGroupVersion(apiVersion)) throw reject(unexpectedGroupVersion(apiVersion))
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
      const made = madeKind(typeMeta(patched), kind)
      if (typeof made === 'string') throw reject(made)
      if (made.version === '') throw reject(`Object 'apiVersion' is missing in '${textOf(patched, type)}'`)
      const odd = oddKind(catalog, made, kind)
      if (odd) throw reject(odd)
      // The internal version knows the fields by other names.
      if (made.version === INTERNAL)
        return { object: { kind: kind.kind, metadata: {} }, strictErrors: [...found, ...unknownFields(patched)] }
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

/** The kind that a patch has made of the object, which is the internal one where it says no version; or what is wrong with that. */
function madeKind({ kind, apiVersion }: TypeMeta, wanted: GroupVersionKind): GroupVersionKind | string {
  const given = parseGroupVersion(apiVersion)
  if (!given) return unexpectedGroupVersion(apiVersion)
  const made = { ...given, kind: kind || wanted.kind }
  if (given.version !== '' || (given.group !== '' && given.group !== wanted.group)) return made
  return { ...made, group: wanted.group, version: INTERNAL }
}

/** Why a patch must not have made another kind of the object. */
function oddKind(catalog: Catalog, made: GroupVersionKind, wanted: GroupVersionKind): string | undefined {
  // Another version of the same kind is converted.
  const same = made.kind === wanted.kind && made.group === wanted.group
  if (same && (made.version === wanted.version || made.version === INTERNAL || catalog.typeOfKind(made))) return undefined
  return kindMismatch(catalog, made, wanted)
}
