/** Asks one webhook about a request: sends the review, reads the verdict, passes on its warnings and annotations. */
import { jsonValue, parseJson } from '../../../api/codec/json.ts'
import type { JsonObject } from '../../../api/resource.ts'
import { goJsonKind, isObject } from '../../../merge/jsonValue.ts'
import { isQualifiedName } from '../../../api/validation/names.ts'
import { WebhookCallError } from '../../webhooks/callErrors.ts'
import type { WebhookClient } from '../../webhooks/client.ts'
import type { AdmissionRequest } from '../admission.ts'
import type { Match } from '../matching/rules.ts'
import type { VersionedObject } from '../matching/versionedObjects.ts'
import type { AdmissionObserver } from '../observer.ts'
import type { Hook } from './hooks.ts'
import { WebhookFailure, WebhookRejection, newDryRunUnsupported, newRejection } from './refusals.ts'
import { createReview, readVerdict } from './review.ts'
import type { Verdict } from './review.ts'

const DEFAULT_TIMEOUT_SECONDS = 10
const UNAVAILABLE = 503
const BAD_REQUEST = 400
const INTERNAL = 500

/** Throws WebhookFailure and WebhookRejection, and a StatusError where the webhook may not be asked. */
export async function askWebhook(
  client: WebhookClient,
  { webhook }: Hook,
  request: AdmissionRequest,
  match: Match,
  view: VersionedObject,
  mutating: boolean,
): Promise<Verdict> {
  const { name, sideEffects, clientConfig, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = webhook
  if (request.dryRun && sideEffects !== 'None' && sideEffects !== 'NoneOnDryRun') throw newDryRunUnsupported(name)
  const fail = (why: string, code: number, cause: unknown, canceled = false): WebhookFailure =>
    new WebhookFailure(name, why, { code, cause, canceled })
  const review = orFail(
    () => createReview(webhook.admissionReviewVersions, request, match, view),
    (error) => fail(`could not create admission objects: ${error.message}`, BAD_REQUEST, error),
  )
  const answer = await client
    .call({ clientConfig, body: review.body, timeoutMs: timeoutSeconds * 1_000, signal: request.signal, announceTimeout: true })
    .catch((error: unknown) => {
      if (!(error instanceof WebhookCallError)) throw error
      if (error.stage === 'config') throw fail(error.message, INTERNAL, error)
      throw fail(`failed to call webhook: ${error.message}`, error.status?.code ?? UNAVAILABLE, error, error.canceled)
    })
  const verdict = orFail(
    () => readVerdict(answer, review, mutating),
    (error) => fail(`received invalid webhook response: ${error.message}`, UNAVAILABLE, error),
  )
  for (const [key, value] of Object.entries(verdict.auditAnnotations)) {
    const annotation = `${name}/${key}`
    if (isQualifiedName(annotation).length === 0) request.annotate?.(annotation, value)
  }
  request.warnings.push(...verdict.warnings)
  if (!verdict.allowed) throw newRejection(name, verdict.result)
  return verdict
}

function orFail<T>(work: () => T, failure: (error: Error) => WebhookFailure): T {
  try {
    return work()
  } catch (error) {
    throw failure(error as Error)
  }
}

export interface Observed {
  observer: AdmissionObserver
  type: 'admit' | 'validating'
  name: string
  operation: string
  isIgnored: boolean
}

/** Counts what became of a call. */
export function observeOutcome({ observer, type, name, operation, isIgnored }: Observed, error: unknown, seconds: number): void {
  const call = { name, type, operation, seconds }
  if (error === undefined) {
    observer.webhookCalled({ ...call, code: 200, rejected: false })
  } else if (error instanceof WebhookFailure) {
    if (!isIgnored && !error.canceled) {
      observer.webhookRejected({ name, type, operation, errorType: 'calling_webhook_error', code: error.code })
    }
    if (isIgnored && !error.canceled) observer.webhookFailedOpen(name, type)
    observer.webhookCalled({ ...call, code: error.code, rejected: !isIgnored })
  } else if (error instanceof WebhookRejection) {
    observer.webhookRejected({ name, type, operation, errorType: 'no_error', code: error.status.code })
    observer.webhookCalled({ ...call, code: error.status.code, rejected: true })
  } else {
    observer.webhookRejected({ name, type, operation, errorType: 'apiserver_internal_error', code: 0 })
    observer.webhookCalled({ ...call, code: 0, rejected: true })
  }
}

/** Throws where the patch of a verdict is of a type that nobody knows. */
export function checkPatchType({ patchType = '' }: Verdict, webhook: string): void {
  if (patchType !== 'JSONPatch')
    throw new WebhookFailure(webhook, `unsupported patch type ${JSON.stringify(patchType)}`, { code: BAD_REQUEST })
}

/** The operations of a verdict's patch. */
export function patchOf({ patch }: Verdict, webhook: string): readonly JsonObject[] {
  if (!patch) return []
  const fail = (why: string, cause?: unknown): WebhookFailure =>
    new WebhookFailure(webhook, `received undecodable patch in webhook response: ${why}`, { code: UNAVAILABLE, cause })
  const operations = orFail(
    () => jsonValue(parseJson(Buffer.from(patch, 'base64'))).value,
    (error) => fail(error.message, error),
  ) as unknown
  if (operations === null) return []
  const mismatch = (value: unknown, type: string): WebhookFailure =>
    fail(`json: cannot unmarshal ${goJsonKind(value)} into Go value of type jsonpatch.${type}`)
  if (!Array.isArray(operations)) throw mismatch(operations, 'Patch')
  const odd = operations.find((operation) => operation !== null && !isObject(operation))
  if (odd !== undefined) throw mismatch(odd, 'Operation')
  return operations.map((operation: JsonObject | null) => operation ?? {})
}
