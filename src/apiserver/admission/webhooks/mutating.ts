/**
 * MutatingAdmissionWebhook: one after the other, each sees what the one before it made. When something has changed after a
 * webhook with reinvocationPolicy IfNeeded was asked, it is asked once more.
 */
import type { Catalog } from '../../../api/catalog/catalog.ts'
import { mutatingwebhookconfigurations } from '../../../api/kinds/admissionregistration/v1.ts'
import { newInternalError, newStatusError } from '../../../api/status.ts'
import type { Logger } from '../../../base/logger.ts'
import { cloneJson } from '../../../api/jsonValues.ts'
import type { ObjectReader } from '../../registry/reader.ts'
import type { Authorizer } from '../../request.ts'
import type { WebhookClient } from '../../webhooks/client.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts'
import { patchObject } from '../jsonPatches.ts'
import { isExempt } from '../matching/rules.ts'
import type { Match } from '../matching/rules.ts'
import { OtherKindError, VersionedObjects } from '../matching/versionedObjects.ts'
import type { AdmissionObserver } from '../observer.ts'
import { Reinvocations } from '../reinvocations.ts'
import { askWebhook, checkPatchType, observeOutcome, patchOf } from './ask.ts'
import { matchHook, orderedHooks } from './hooks.ts'
import type { Hook } from './hooks.ts'
import { WebhookFailure, WebhookRejection } from './refusals.ts'
import { newRequestTimeout } from './timeout.ts'

export interface WebhookOptions {
  catalog: Catalog
  reader: ObjectReader
  authorizer: Authorizer
  client: WebhookClient
  observer: () => AdmissionObserver
  now: () => number
  log: Logger
}

const PATCH_ANNOTATION = 'patch.webhook.admission.k8s.io/'
const MUTATION_ANNOTATION = 'mutation.webhook.admission.k8s.io/'
const FAILED_OPEN = `failed-open.${MUTATION_ANNOTATION}`

export function createMutatingWebhooks(options: WebhookOptions): AdmissionPlugin {
  const reinvocations = new Reinvocations()
  return {
    name: 'MutatingAdmissionWebhook',
    admit(request) {
      if (isExempt(request)) return undefined
      const hooks = orderedHooks(options.reader.list(mutatingwebhookconfigurations))
      return hooks.length > 0 ? admit(hooks, request, reinvocations, options) : undefined
    },
  }
}

async function admit(
  hooks: readonly Hook[],
  request: AdmissionRequest,
  reinvocations: Reinvocations,
  options: WebhookOptions,
): Promise<void> {
  const invoked = reinvocations.begin(request)
  const objects = new VersionedObjects(request, { catalog: options.catalog, nowMs: options.now() })
  for (const [at, hook] of hooks.entries()) {
    const match = await matchHook(hook, request, objects, options, { observer: options.observer(), type: 'admit' })
    if (!match || (request.round === 1 && !invoked.isDue(hook.uid))) continue
    const changed = await call(hook, match, at, request, objects, options)
    if (changed) {
      invoked.changed()
      request.wantsReinvocation = true
      // What later webhooks select by.
      await objects.finish()
    }
    if (hook.webhook.reinvocationPolicy === 'IfNeeded') invoked.add(hook.uid)
  }
  invoked.end(request)
}

/** Answers whether the object has changed. */
async function call(
  hook: Hook,
  match: Match,
  at: number,
  request: AdmissionRequest,
  objects: VersionedObjects,
  options: WebhookOptions,
): Promise<boolean> {
  const { configuration, webhook } = hook
  const { name, failurePolicy } = webhook
  const isIgnored = failurePolicy === 'Ignore'
  const step = `round_${request.round}_index_${at}`
  const startedMs = options.now()
  let error: unknown
  let mutated = false
  try {
    mutated = await mutate(hook, match, step, request, objects, options)
  } catch (caught) {
    error = caught
  }
  request.annotate?.(`${MUTATION_ANNOTATION}${step}`, JSON.stringify({ configuration, webhook: name, mutated }))
  const observed = { observer: options.observer(), type: 'admit', name, operation: request.operation, isIgnored } as const
  observeOutcome(observed, error, (options.now() - startedMs) / 1_000)
  if (error === undefined) return mutated
  if (error instanceof WebhookFailure && isIgnored) {
    options.log.warn('a webhook failed and is left out', { webhook: name, error: error.message })
    if (!error.canceled) request.annotate?.(`${FAILED_OPEN}${step}`, name)
    if (request.signal.aborted) throw newRequestTimeout()
    return false
  }
  if (error instanceof WebhookFailure) throw error.refusal
  throw error instanceof WebhookRejection ? error.status : error
}

async function mutate(
  hook: Hook,
  match: Match,
  step: string,
  request: AdmissionRequest,
  objects: VersionedObjects,
  { client }: WebhookOptions,
): Promise<boolean> {
  const { configuration, webhook } = hook
  const view = await objects.view(match).catch((cause: Error) => Promise.reject(newInternalError(cause.message)))
  const verdict = await askWebhook(client, hook, request, match, view, true)
  const patch = patchOf(verdict, webhook.name)
  if (patch.length === 0) return false
  if (!view.object) {
    const quoted = JSON.stringify(webhook.name)
    throw newInternalError(`admission webhook ${quoted} attempted to modify the object, which is not supported for this operation`)
  }
  checkPatchType(verdict, webhook.name)
  try {
    const patched = patchObject(cloneJson(view.object), patch)
    const changed = await objects.replace(patched, match)
    const told = JSON.stringify({ configuration, webhook: webhook.name, patch, patchType: 'JSONPatch' })
    request.annotate?.(`${PATCH_ANNOTATION}${step}`, told, 'Request')
    return changed
  } catch (error) {
    if (error instanceof OtherKindError) throw newStatusError(500, '', error.message)
    throw newInternalError((error as Error).message)
  }
}
