/** ValidatingAdmissionWebhook: everybody who is concerned is asked at the same time, and one refusal is enough. */
import { validatingwebhookconfigurations } from '../../../api/kinds/admissionregistration/v1.ts'
import { newInternalError } from '../../../api/status.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts'
import { isExempt } from '../matching/rules.ts'
import type { Match } from '../matching/rules.ts'
import { VersionedObjects } from '../matching/versionedObjects.ts'
import { askWebhook, observeOutcome } from './ask.ts'
import { matchHook, orderedHooks } from './hooks.ts'
import type { Hook } from './hooks.ts'
import type { WebhookOptions } from './mutating.ts'
import { WebhookFailure, WebhookRejection } from './refusals.ts'
import { newRequestTimeout } from './timeout.ts'

const FAILED_OPEN = 'failed-open.validating.webhook.admission.k8s.io/'

export function createValidatingWebhooks(options: WebhookOptions): AdmissionPlugin {
  return {
    name: 'ValidatingAdmissionWebhook',
    validate(request) {
      if (isExempt(request)) return undefined
      const hooks = orderedHooks(options.reader.list(validatingwebhookconfigurations))
      return hooks.length > 0 ? validate(hooks, request, options) : undefined
    },
  }
}

async function validate(hooks: readonly Hook[], request: AdmissionRequest, options: WebhookOptions): Promise<void> {
  const objects = new VersionedObjects(request, { catalog: options.catalog, nowMs: options.now() })
  const invocations: { hook: Hook; match: Match }[] = []
  for (const hook of hooks) {
    const match = await matchHook(hook, request, objects, options, { observer: options.observer(), type: 'validating' })
    if (match) invocations.push({ hook, match })
  }
  if (invocations.length === 0) return
  if (request.signal.aborted) throw newRequestTimeout()
  const results = await Promise.allSettled(invocations.map(({ hook, match }, at) => call(hook, match, at, request, objects, options)))
  const refused = results.find((result) => result.status === 'rejected')
  if (refused) throw refused.reason
}

async function call(
  hook: Hook,
  match: Match,
  at: number,
  request: AdmissionRequest,
  objects: VersionedObjects,
  options: WebhookOptions,
): Promise<void> {
  const { name, failurePolicy } = hook.webhook
  const isIgnored = failurePolicy === 'Ignore'
  const startedMs = options.now()
  let error: unknown
  try {
    const view = await objects.view(match).catch((cause: Error) => Promise.reject(newInternalError(cause.message)))
    await askWebhook(options.client, hook, request, match, view, false)
  } catch (caught) {
    error = caught
  }
  const observed = { observer: options.observer(), type: 'validating', name, operation: request.operation, isIgnored } as const
  observeOutcome(observed, error, (options.now() - startedMs) / 1_000)
  if (error === undefined) return
  if (error instanceof WebhookFailure && isIgnored) {
    options.log.warn('a webhook failed and is left out', { webhook: name, error: error.message })
    if (!error.canceled) request.annotate?.(`${FAILED_OPEN}round_0_index_${at}`, name)
    return
  }
  if (error instanceof WebhookFailure) throw error.refusal
  throw error instanceof WebhookRejection ? error.status : error
}
