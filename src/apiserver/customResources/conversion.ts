/**
 * Custom resources between the versions of their definition: renamed and nothing else (`None`), or by a webhook that is sent a
 * ConversionReview (apiextensions-apiserver's pkg/apiserver/conversion).
 */
import { randomUUID } from 'node:crypto'
import type { CustomResourceDefinition, WebhookConversion } from '../../api/kinds/apiextensions/v1.ts'
import { sortedKeys } from '../../api/jsonValues.ts'
import { deepEqual } from '../../api/meta.ts'
import type { JsonValue, KubeObject } from '../../api/resource.ts'
import { aggregated, StatusError } from '../../api/status.ts'
import type { FieldError } from '../../api/status.ts'
import { validateAnnotations, validateLabels } from '../../api/validation/objectMeta.ts'
import { goJsonKind } from '../../merge/jsonValue.ts'
import type { WebhookCall } from '../webhooks/client.ts'
import { kindText } from '../webhooks/reviewCodec.ts'
import { isMap } from './jsonSchema.ts'
import type { Json } from './jsonSchema.ts'

/** Upstream's time for a conversion, whatever the request has left. */
const TIMEOUT_MS = 30_000
const KEPT_METADATA = ['labels', 'annotations'] as const

/** Posts to a webhook; `WebhookClient` is one. */
export interface ConversionWebhooks {
  call(call: WebhookCall): Promise<Json>
}

export interface Converter {
  /** Undefined where every conversion takes another server. */
  now?(object: KubeObject, apiVersion: string): KubeObject
  /** Answers new objects, in order; those of the wanted version as they are. */
  convert(objects: readonly KubeObject[], apiVersion: string, signal: AbortSignal): Promise<KubeObject[]>
}

const renamed = (object: KubeObject, apiVersion: string): KubeObject =>
  object.apiVersion === apiVersion ? object : { ...object, apiVersion }

export function converterOf(definition: CustomResourceDefinition, webhooks: ConversionWebhooks): Converter {
  const { conversion, names, group } = definition.spec
  if (conversion?.strategy !== 'Webhook' || !conversion.webhook) {
    return { now: renamed, convert: async (objects, apiVersion) => objects.map((object) => renamed(object, apiVersion)) }
  }
  const webhook = conversion.webhook
  return {
    async convert(objects, apiVersion, signal) {
      const others = objects.filter((object) => object.apiVersion !== apiVersion)
      if (others.length === 0) return [...objects]
      const fail = (why: string, cause?: unknown): StatusError => newConversionError(others, { group, kind: names.kind }, why, cause)
      const answers = await review(webhook, webhooks, others, apiVersion, fail, signal)
      let at = 0
      return objects.map((object) => {
        if (object.apiVersion === apiVersion) return object
        return checked(object, answers[at++], apiVersion, fail)
      })
    },
  }
}

function newConversionError(
  objects: readonly KubeObject[],
  kind: { group: string; kind: string },
  why: string,
  cause?: unknown,
): StatusError {
  const version = objects[0]?.apiVersion?.split('/')[1] ?? ''
  return newPlainError(`conversion webhook for ${kind.group}/${version}, Kind=${kind.kind} ${why}`, cause)
}

const newPlainError = (message: string, cause?: unknown): StatusError => new StatusError({ message, code: 500 }, cause)

async function review(
  webhook: WebhookConversion,
  webhooks: ConversionWebhooks,
  objects: readonly KubeObject[],
  apiVersion: string,
  fail: (why: string, cause?: unknown) => StatusError,
  signal: AbortSignal,
): Promise<readonly JsonValue[]> {
  const version = webhook.conversionReviewVersions.find((known) => known === 'v1' || known === 'v1beta1')
  if (version === undefined || !webhook.clientConfig) throw fail('failed: no supported conversion review versions')
  const uid = randomUUID()
  const reviewVersion = `apiextensions.k8s.io/${version}`
  const response = { uid: '', convertedObjects: null, result: { metadata: {} } }
  const body = { kind: 'ConversionReview', apiVersion: reviewVersion, request: { uid, desiredAPIVersion: apiVersion, objects }, response }
  let answer: Json
  try {
    answer = await webhooks.call({ clientConfig: webhook.clientConfig, body, timeoutMs: TIMEOUT_MS, signal, announceTimeout: true })
  } catch (error) {
    signal.throwIfAborted()
    throw fail(`failed: ${error instanceof Error ? error.message : String(error)}`, error)
  }
  const { converted, why } = readReview(answer, version, uid)
  if (!converted) throw fail(`failed: ${why}`)
  if (converted.length !== objects.length) throw fail(`returned ${converted.length} objects, expected ${objects.length}`)
  return converted
}

function readReview(answer: Json, version: string, uid: string): { converted?: readonly JsonValue[]; why?: string } {
  const { kind, apiVersion, response } = answer
  if (version === 'v1' && (kind !== 'ConversionReview' || apiVersion !== 'apiextensions.k8s.io/v1')) {
    const wanted = 'apiextensions.k8s.io/v1, Kind=ConversionReview'
    return { why: `expected webhook response of ${wanted}, got ${kindText(answer)}` }
  }
  if (!isMap(response)) return { why: 'no response provided' }
  if (version === 'v1' && response['uid'] !== uid)
    return { why: `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'] ?? '')}` }
  const result = isMap(response['result']) ? response['result'] : {}
  if (result['status'] !== 'Success') {
    const { message } = result
    return {
      why:
        typeof message === 'string' && message ? message : `response.result.status was '${String(result['status'] ?? '')}', not 'Success'`,
    }
  }
  const { convertedObjects } = response
  return { converted: Array.isArray(convertedObjects) ? convertedObjects : [] }
}

/** The whole message is the error; its beginning names the webhook where upstream's does. */
type Fail = (why: string) => StatusError

/** What a conversion may not touch is as it was: of the metadata only labels and annotations may change. */
function checked(original: KubeObject, answer: JsonValue | undefined, apiVersion: string, fail: Fail): KubeObject {
  if (answer === undefined || answer === null) throw newPlainError('unexpected end of JSON input')
  if (!isMap(answer)) throw newPlainError(`json: cannot unmarshal ${goJsonKind(answer)} into Go value of type map[string]interface {}`)
  const { metadata, kind } = answer
  if (typeof kind !== 'string' || kind === '') throw newPlainError(`Object 'Kind' is missing in '${JSON.stringify(sortedKeys(answer))}'`)
  const at = 'returned invalid object at index 0:'
  if (answer['apiVersion'] !== apiVersion)
    throw fail(`${at} invalid groupVersion (expected ${apiVersion}, received ${String(answer['apiVersion'] ?? '')})`)
  if (kind !== original.kind) throw fail(`${at} invalid kind (expected ${original.kind}, received ${kind})`)
  const before = original.metadata as unknown as Json
  const after = isMap(metadata) ? metadata : {}
  for (const [name, shown] of [
    ['name', 'name'],
    ['namespace', 'namespace'],
    ['uid', 'UID'],
  ] as const) {
    const [expected, got] = [String(before[name] ?? ''), String(after[name] ?? '')]
    if (expected !== got) throw fail(`returned invalid object: must have the same ${shown}: ${expected} != ${got}`)
  }
  return { ...answer, metadata: withKept(before, after, fail) } as unknown as KubeObject
}

function withKept(before: Json, answered: Json, fail: Fail): Json {
  const invalid = (why: string): StatusError => fail(`returned invalid metadata: ${why}`)
  const kept = { ...before }
  for (const name of KEPT_METADATA) {
    const value = answered[name]
    if (value === undefined || value === null) {
      delete kept[name]
      continue
    }
    if (!isMap(value)) throw invalid(`invalid metadata.${name} of type ${goTypeOf(value)} in converted object`)
    const odd = Object.keys(value).find((key) => typeof value[key] !== 'string')
    if (odd !== undefined) throw invalid(`metadata.${name}[${odd}] must be a string, but is ${goTypeOf(value[odd])} in converted object`)
    const errors = deepEqual(value, before[name]) ? [] : validateTexts(name, value as Record<string, string>)
    if (errors.length > 0) throw invalid(aggregated(errors))
    kept[name] = value
  }
  return kept
}

/** As Go prints the type of a decoded value. */
function goTypeOf(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return '<nil>'
  if (Array.isArray(value)) return '[]interface {}'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  if (typeof value === 'boolean') return 'bool'
  return typeof value === 'string' ? 'string' : 'map[string]interface {}'
}

function validateTexts(name: (typeof KEPT_METADATA)[number], value: Record<string, string>): FieldError[] {
  return name === 'labels' ? validateLabels(value, 'metadata.labels') : validateAnnotations(value, 'metadata.annotation')
}
