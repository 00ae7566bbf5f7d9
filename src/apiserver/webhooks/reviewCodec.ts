/** Reads what webhooks answer as upstream's codec does: JSON or YAML of a known kind, made the kind that was sent unless it says another. */
import { DecodeError, JsonSyntaxError, decodeJson, decodeValue, parseJson, typeMetaOf } from '../../api/codec/json.ts'
import type { TypeMeta } from '../../api/codec/json.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import { notRegistered } from '../../api/codec/kindMismatch.ts'
import { YamlSyntaxError, parseYaml } from '../../api/codec/yaml.ts'
import type { JsonObject } from '../../api/resource.ts'
import { REVIEW_TYPES } from './reviewTypes.ts'

/** Where upstream makes the scheme; it is shown. */
const SCHEME = 'k8s.io/apiserver/pkg/util/webhook/client.go:71'

/** The answer is no review; the message is upstream's. */
export class ReviewError extends Error {
  override readonly name = 'ReviewError'
}

/** Throws ReviewError. */
export function decodeReview(body: Uint8Array, sent: TypeMeta): JsonObject {
  try {
    return decode(body, sent)
  } catch (error) {
    if (error instanceof JsonSyntaxError)
      throw new ReviewError(`couldn't get version/kind; json parse error: ${error.message}`, { cause: error })
    if (error instanceof YamlSyntaxError) throw new ReviewError(`error converting YAML to JSON: ${error.message}`, { cause: error })
    if (error instanceof DecodeError) throw new ReviewError(error.message, { cause: error })
    throw error
  }
}

const isJson = (body: Uint8Array): boolean => /^\s*\{/.test(Buffer.from(body.subarray(0, 1_024)).toString('latin1'))

function decode(body: Uint8Array, sent: TypeMeta): JsonObject {
  if (isJson(body)) {
    const parsed = parseJson(body)
    return decodeJson(parsed, typeOf(typeMetaOf(parsed), sent)).object
  }
  const { value } = parseYaml(body)
  const type = typeOf(typeMetaOf({ text: '', value, keys: -1 }), sent)
  return decodeValue((value ?? {}) as JsonObject, type).object
}

function typeOf(given: TypeMeta, sent: TypeMeta): TypeDef {
  const kind = given.kind || sent.kind
  const apiVersion = given.apiVersion || sent.apiVersion
  const parts = apiVersion.split('/')
  if (parts.length > 2) throw new ReviewError(`unexpected GroupVersion string: ${apiVersion}`)
  const [version = '', group = ''] = parts.toReversed()
  const known = REVIEW_TYPES[sent.apiVersion.includes('/') ? (sent.apiVersion.split('/')[0] as string) : '']
  const type = known?.get(`${apiVersion}/${kind}`)
  if (!type) throw new ReviewError(notRegistered({ group, version, kind }, SCHEME))
  const wanted = known?.get(`${sent.apiVersion}/${sent.kind}`)
  if (type !== wanted) throw new ReviewError(`converting (${type.goName}) to (${wanted?.goName}): unknown conversion`)
  return type
}

/** The Status of a failure that the server answered, if it did. */
export function failureStatusOf(body: Uint8Array): JsonObject | undefined {
  try {
    const object = decodeReview(body, { apiVersion: 'v1', kind: 'Status' })
    return object['kind'] === 'Status' && object['status'] === 'Failure' ? object : undefined
  } catch {
    return undefined
  }
}

/** `admission.k8s.io/v1, Kind=AdmissionReview`, as the answer says it. */
export function kindText({ apiVersion, kind }: JsonObject): string {
  const text = String(apiVersion ?? '')
  return `${text.includes('/') ? text : `/${text}`}, Kind=${String(kind ?? '')}`
}
