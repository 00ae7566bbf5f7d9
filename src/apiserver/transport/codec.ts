/**
 * The representations that transport reads and writes, over the formats of api/codec: which type a body is decoded into, and
 * the texts of what is wrong with it (k8s.io/apiserver/pkg/endpoints/handlers transformDecodeError). Protobuf is loaded when
 * the first client asks for it.
 */
import type { Catalog, CustomSchema, GroupVersionKind } from '../../api/catalog/catalog.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import { DecodeError, JsonSyntaxError, decodeJson, decodeValue, jsonValue, parseJson, typeMetaOf } from '../../api/codec/json.ts'
import type { TypeMeta } from '../../api/codec/json.ts'
import { homeGroup, isFormerKind } from '../../api/catalog/formerKinds.ts'
import { isUnversioned, kindMismatch, notRegistered, unknownConversion } from '../../api/codec/kindMismatch.ts'
import type * as ProtobufModule from '../../api/codec/protobuf.ts'
import { jsonText, prettyJsonText } from '../../api/codec/jsonText.ts'
import { YamlSyntaxError, parseYaml, warningsOf } from '../../api/codec/yaml.ts'
import { encodeYaml } from '../../api/codec/yamlText.ts'
import { apiVersionOf, parseGroupVersion, unexpectedGroupVersion } from '../../api/resource.ts'
import type { JsonObject } from '../../api/resource.ts'
import { newBadRequest } from '../../api/status.ts'
import type { StatusError } from '../../api/status.ts'
import { newNotAcceptable } from './negotiation.ts'
import type { MediaType } from './negotiation.ts'

type Protobuf = typeof ProtobufModule

export interface DecodeTarget {
  kind: GroupVersionKind
  /** Undefined for custom resources, which are decoded without a type. */
  type: TypeDef | undefined
  custom?: CustomSchema
  /** '' and `Warn` warn, `Strict` refuses, `Ignore` does nothing; anything else is refused by the registry. */
  fieldValidation: string
  /** DeleteOptions: other versions of it are as good, and messages are shorter. */
  options?: boolean
}

export interface Decoded {
  object: JsonObject
  warnings: readonly string[]
}

export interface ObjectCodec {
  /** To be awaited, where there is anything to wait for, before a media type is used. */
  prepare(mediaType: string): Promise<void> | undefined
  /** Throws a StatusError (400) with upstream's text. */
  decode(bytes: Uint8Array, mediaType: MediaType, target: DecodeTarget): Decoded
  encode(object: object, mediaType: MediaType, pretty: boolean): Uint8Array
  /** One watch event, framed for the stream. */
  encodeEvent(type: string, object: object, mediaType: MediaType): Uint8Array
}

/** How much of an undecodable body is shown. */
const SHOWN_BYTES = 30
const OPTIONS_SCHEME = 'k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27'

function summary(bytes: Uint8Array): string {
  if (bytes.length === 0) return '<empty>'
  const head = Buffer.from(bytes.subarray(0, SHOWN_BYTES))
  const more = bytes.length > SHOWN_BYTES ? ' ...' : ''
  return `${bytes[0] === 0x7b ? head.toString() : head.toString('hex')}${more}`
}

/** Of a custom resource, which is told by its kind alone. */
function missingKind(bytes: Uint8Array, { kind }: DecodeTarget): StatusError {
  const why = `Object 'Kind' is missing in '${Buffer.from(bytes).toString()}'`
  return newBadRequest(`the object provided is unrecognized (must be of type ${kind.kind}): ${why} (${summary(bytes)})`)
}

/** Options are of a group of their own, and what says no version is taken for it. */
function optionsMismatch(kind: GroupVersionKind, meta: TypeMeta): string {
  if (isUnversioned(kind)) return unknownConversion(kind, 'v1.DeleteOptions')
  return notRegistered(
    meta.apiVersion === '' || meta.apiVersion === '/' ? { ...kind, group: 'meta.k8s.io', version: 'v1' } : kind,
    OPTIONS_SCHEME,
  )
}

/** A body before its type is known to fit. */
interface Parsed {
  meta: TypeMeta
  /** Undefined `type` decodes as it stands. */
  decode(type: TypeDef | undefined): { object: JsonObject; strictErrors: readonly string[] }
}

function parseJsonBody(bytes: Uint8Array): Parsed {
  const parsed = parseJson(bytes)
  return {
    meta: typeMetaOf(parsed),
    decode(type) {
      if (type) return decodeJson(parsed, type)
      const { value, strictErrors } = jsonValue(parsed)
      return { object: (value ?? {}) as JsonObject, strictErrors }
    },
  }
}

function parseYamlBody(bytes: Uint8Array): Parsed {
  const { value, strictErrors } = parseYaml(bytes)
  const meta = typeMetaOf({ text: '', value, keys: -1 })
  return {
    meta,
    decode(type) {
      if (!type) return { object: (value ?? {}) as JsonObject, strictErrors }
      const decoded = decodeValue((value ?? {}) as JsonObject, type)
      return { object: decoded.object, strictErrors: [...strictErrors, ...decoded.strictErrors] }
    },
  }
}

export class Codec implements ObjectCodec {
  readonly #catalog: Catalog
  #protobuf: Protobuf | undefined

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  prepare(mediaType: string): Promise<void> | undefined {
    return this.#protobuf || !mediaType.includes('protobuf') ? undefined : this.#loadProtobuf()
  }

  async #loadProtobuf(): Promise<void> {
    this.#protobuf ??= await import('../../api/codec/protobuf.ts')
  }

  decode(bytes: Uint8Array, mediaType: MediaType, target: DecodeTarget): Decoded {
    const parsed = this.#parse(bytes, mediaType, target)
    const kind = this.#kindOf(parsed.meta, bytes, target)
    if (kind.version === '')
      throw this.#cannotBeHandled(kind, target, `Object 'apiVersion' is missing in '${Buffer.from(bytes).toString()}'`)
    const { object, strictErrors } = this.#attempt(target, kind, () => parsed.decode(target.type))
    if (!target.type && parsed.meta.kind === '') throw missingKind(bytes, target)
    this.#checkKind(kind, target, parsed.meta)
    return this.#decoded(kind, target, object, [...strictErrors, ...this.#coerce(kind, target, object)])
  }

  /** Another kind is no matter of the schema: it is refused later. */
  #coerce(kind: GroupVersionKind, target: DecodeTarget, object: JsonObject): string[] {
    const { custom } = target
    if (!custom || target.type || kind.kind !== target.kind.kind) return []
    return this.#attempt(target, kind, () => custom.coerce(object)).map((path) => `unknown field ${JSON.stringify(path)}`)
  }

  #decoded(kind: GroupVersionKind, target: DecodeTarget, object: JsonObject, strictErrors: readonly string[]): Decoded {
    const strict = target.fieldValidation === 'Strict' && strictErrors.length > 0
    if (strict) throw this.#cannotBeHandled(kind, target, `strict decoding error: ${strictErrors.join(', ')}`)
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = object
    return {
      object: { kind: kind.kind, apiVersion: apiVersionOf(kind), ...rest } as JsonObject,
      warnings: target.fieldValidation === '' || target.fieldValidation === 'Warn' ? warningsOf(strictErrors) : [],
    }
  }

  encode(object: object, mediaType: MediaType, pretty: boolean): Uint8Array {
    switch (mediaType) {
      case 'application/yaml':
        return Buffer.from(encodeYaml(object))
      case 'application/vnd.kubernetes.protobuf':
        return this.#encodeProtobuf(object)
      default:
        return Buffer.from(pretty ? prettyJsonText(object) : `${jsonText(object)}\n`)
    }
  }

  encodeEvent(type: string, object: object, mediaType: MediaType): Uint8Array {
    if (mediaType !== 'application/vnd.kubernetes.protobuf') return Buffer.from(`${jsonText({ type, object })}\n`)
    return (this.#protobuf as Protobuf).encodeWatchFrame(type, this.#encodeProtobuf(object))
  }

  #encodeProtobuf(object: object): Uint8Array {
    const { apiVersion = 'v1', kind = '' } = object as Partial<TypeMeta>
    const type = this.#catalog.typeOfKind({ group: '', version: '', ...parseGroupVersion(apiVersion), kind })
    // Custom resources have no protobuf form.
    if (!type || !this.#protobuf) throw newNotAcceptable()
    return this.#protobuf.encodeProtobuf(object, type)
  }

  #parse(bytes: Uint8Array, mediaType: MediaType, target: DecodeTarget): Parsed {
    try {
      if (mediaType === 'application/yaml') return parseYamlBody(bytes)
      if (mediaType === 'application/vnd.kubernetes.protobuf') return this.#parseProtobuf(bytes)
      return parseJsonBody(bytes)
    } catch (error) {
      const known =
        error instanceof JsonSyntaxError ||
        error instanceof YamlSyntaxError ||
        error instanceof DecodeError ||
        (error as Error).name === 'ProtobufError'
      if (!known) throw error
      const why =
        error instanceof JsonSyntaxError ? `couldn't get version/kind; json parse error: ${error.message}` : (error as Error).message
      throw this.#unrecognized(why, bytes, target)
    }
  }

  #unrecognized(why: string, bytes: Uint8Array, target: DecodeTarget): StatusError {
    if (target.options) return newBadRequest(why)
    return newBadRequest(`the object provided is unrecognized (must be of type ${target.kind.kind}): ${why} (${summary(bytes)})`)
  }

  #parseProtobuf(bytes: Uint8Array): Parsed {
    const protobuf = this.#protobuf as Protobuf
    return {
      meta: protobuf.protobufTypeMeta(bytes),
      decode(type) {
        if (!type) throw newBadRequest('custom resources have no protobuf form')
        return { object: protobuf.decodeProtobuf(bytes, type), strictErrors: [] }
      },
    }
  }

  /** What the body says it is; what it leaves out is as the URL has it. */
  #kindOf({ apiVersion, kind }: TypeMeta, bytes: Uint8Array, target: DecodeTarget): GroupVersionKind {
    const given = parseGroupVersion(apiVersion)
    if (!given) throw this.#unrecognized(unexpectedGroupVersion(apiVersion), bytes, target)
    const { group, version } = given.version === '' && (given.group === '' || given.group === target.kind.group) ? target.kind : given
    return { group, version, kind: kind || target.kind.kind }
  }

  #checkKind(kind: GroupVersionKind, target: DecodeTarget, meta: TypeMeta): void {
    const { kind: wanted, type, options } = target
    if (!type) {
      if (apiVersionOf(kind) !== apiVersionOf(wanted) || meta.apiVersion === '') throw this.#versionMismatch(meta.apiVersion, wanted)
      return
    }
    if (kind.kind === wanted.kind && apiVersionOf(kind) === apiVersionOf(wanted)) return
    if (options && kind.kind === wanted.kind) return
    if (options) throw newBadRequest(optionsMismatch(kind, meta))
    const known = this.#catalog.typeOfKind(kind) !== undefined || isFormerKind(kind)
    // An eviction is taken in either version that there has been.
    if (kind.kind === 'Eviction' && wanted.kind === 'Eviction' && isFormerKind(kind)) return
    if (known && kind.kind === wanted.kind && homeGroup(kind) === homeGroup(wanted)) throw this.#versionMismatch(apiVersionOf(kind), wanted)
    throw this.#cannotBeHandled(kind, target, kindMismatch(this.#catalog, kind, wanted))
  }

  #versionMismatch(given: string, wanted: GroupVersionKind): StatusError {
    return newBadRequest(`the API version in the data (${given}) does not match the expected API version (${apiVersionOf(wanted)})`)
  }

  #cannotBeHandled(kind: GroupVersionKind, target: DecodeTarget, why: string): StatusError {
    if (target.options) return newBadRequest(why)
    return newBadRequest(`${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${target.kind.kind}: ${why}`)
  }

  #attempt<T>(target: DecodeTarget, kind: GroupVersionKind, work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof DecodeError) && (error as Error).name !== 'ProtobufError') throw error
      // Another kind cannot be told apart by what does not fit: that it is another is what counts.
      if (kind.kind !== target.kind.kind && target.type) this.#checkKind(kind, target, { kind: kind.kind, apiVersion: apiVersionOf(kind) })
      throw this.#cannotBeHandled(kind, target, (error as Error).message)
    }
  }
}
