/** pods/eviction: a deletion that asks the disruption budget first (pkg/registry/core/pod/storage/eviction.go). */
import { poddisruptionbudgets } from '../../../api/kinds/policy/v1.ts'
import { labelSelectorMatches } from '../../../api/selectors.ts'
import { newBadRequest, newInvalid, newStatusError } from '../../../api/status.ts'
import { invalid } from '../../../api/validation/fieldErrors.ts'
import { cloneJson } from '../../../api/jsonValues.ts'
import { checkPreconditions } from '../deletion.ts'
import { matchNamespace } from '../objectMeta.ts'
import { checkDeleteOptions, parseCreateOptions } from '../options.ts'
import { admissionRequest, bodyObject, strategyContext } from '../writes.ts'
import { SUCCESS } from './binding.ts'
import type { Pod } from '../../../api/kinds/core/v1.ts'
import type { Eviction, PodDisruptionBudget } from '../../../api/kinds/policy/v1.ts'
import type { StatusError } from '../../../api/status.ts'
import type { ApiRequest } from '../../request.ts'
import type { StoredKind } from '../kind.ts'
import type { DeleteOptions } from '../options.ts'
import type { RegistryCore } from '../registryCore.ts'
import type { SubresourceHandler } from '../registryCore.ts'

const RETRY_AFTER_SECONDS = 10
/** Pods that a budget may remember as about to be disrupted. */
const DISRUPTED_LIMIT = 2_000

function refuse(budget: PodDisruptionBudget, why: string, retryAfterSeconds?: number): StatusError {
  return newStatusError(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: 'DisruptionBudget', message: why.replace('%s', budget.metadata.name) }],
    ...(retryAfterSeconds && { retryAfterSeconds }),
  })
}

/** Pods that serve nobody are evicted without asking. */
function mayIgnoreBudget(pod: Pod): boolean {
  const phase = pod.status?.phase
  return phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || Boolean(pod.metadata.deletionTimestamp)
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false
}

/** The budget with one disruption less; a refusal where none is left. */
function spend(budget: PodDisruptionBudget, podName: string, now: string): PodDisruptionBudget {
  const next = cloneJson(budget)
  const { status } = next
  if (!status || (status.observedGeneration ?? 0) < (budget.metadata.generation ?? 0)) {
    throw refuse(budget, 'The disruption budget %s is still being processed by the server.', RETRY_AFTER_SECONDS)
  }
  if ((status.disruptionsAllowed ?? 0) <= 0) {
    throw refuse(budget, `The disruption budget %s needs ${status.desiredHealthy} healthy pods and has ${status.currentHealthy} currently`)
  }
  if (Object.keys(status.disruptedPods ?? {}).length > DISRUPTED_LIMIT) {
    throw refuse(budget, 'The disruption budget %s has too many pods that are about to be disrupted.')
  }
  status.disruptionsAllowed = (status.disruptionsAllowed ?? 0) - 1
  status.disruptedPods = { ...status.disruptedPods, [podName]: now }
  return next
}

async function askBudget(core: RegistryCore, request: ApiRequest, pod: Pod, dryRun: boolean): Promise<void> {
  const budgets = core.reader
    .list(poddisruptionbudgets, request.namespace)
    .filter((budget) => budget.spec.selector && labelSelectorMatches(budget.spec.selector, pod.metadata.labels ?? {}))
  if (budgets.length > 1)
    throw newStatusError(500, '', 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.')
  const budget = budgets[0]
  if (!budget) return
  const running = budget.status
  const unhealthyMayGo =
    !isReady(pod) &&
    (budget.spec.unhealthyPodEvictionPolicy === 'AlwaysAllow' ||
      (running && (running.currentHealthy ?? 0) >= (running.desiredHealthy ?? 0) && (running.desiredHealthy ?? 0) > 0))
  if (unhealthyMayGo) return
  const kind = core.kinds.named('policy', 'poddisruptionbudgets') as StoredKind
  const context = strategyContext(core, request, dryRun)
  const { name, namespace = '' } = budget.metadata
  const steps = {
    namespace,
    name,
    part: 'other' as const,
    retryConflicts: true,
    change: async () => spend(core.objects.get(kind, namespace, name).object as PodDisruptionBudget, pod.metadata.name, context.now),
    approve: async () => {},
  }
  await core.objects.update(kind, steps, context, () => Promise.reject(new Error('an eviction creates no budget')))
}

const STORE_ERRORS = 'ignoreStoreReadErrorWithClusterBreakingPotential'

export const evict: SubresourceHandler = async (core, kind, request) => {
  const options = parseCreateOptions(request)
  const eviction = bodyObject(request) as unknown as Eviction & { metadata: { name?: string } }
  matchNamespace(eviction as never, request.resource, request.namespace)
  if (eviction.metadata.name !== request.name) throw newBadRequest('name in URL does not match name in Eviction object')
  const pod = core.objects.get(kind, request.namespace, request.name).object as Pod
  const admission = admissionRequest(request, kind, 'CREATE', eviction as never, undefined, options)
  await core.admission.admit(admission)
  await core.admission.validate(admission)
  const given = (admission.object as unknown as Eviction).deleteOptions ?? {}
  if (given[STORE_ERRORS]) {
    const refused = invalid(`deleteOptions.${STORE_ERRORS}`, true, 'can not be set for pod eviction, try after removing the option')
    throw newInvalid({ group: 'policy', kind: 'Eviction' }, request.name, [refused])
  }
  const dryRun = options.dryRun || (given.dryRun ?? []).length > 0
  if (!mayIgnoreBudget(pod)) await askBudget(core, request, pod, dryRun)
  const deleteOptions: DeleteOptions = {
    dryRun,
    preconditions: given.preconditions ?? {},
    ...(given.gracePeriodSeconds !== undefined && { gracePeriodSeconds: given.gracePeriodSeconds }),
    ...(given.propagationPolicy && { propagationPolicy: given.propagationPolicy as 'Background' }),
  }
  if (!dryRun) await markDisrupted(core, kind, request, deleteOptions)
  // What the deletion itself refuses comes when the pod has been told, and the budget asked.
  checkDeleteOptions(given)
  await core.objects.delete(kind, request, deleteOptions, strategyContext(core, request, dryRun), async () => {})
  return { type: 'object', code: 201, object: SUCCESS }
}

/** Tells in the pod's status why it goes; the version that the deletion was to find is then the one that this has made. */
async function markDisrupted(core: RegistryCore, kind: StoredKind, request: ApiRequest, options: DeleteOptions): Promise<void> {
  const context = strategyContext(core, request, false)
  const { namespace, name } = request
  const steps = {
    namespace,
    name,
    part: 'other' as const,
    retryConflicts: true,
    change: async () => {
      const pod = cloneJson(core.objects.get(kind, namespace, name).object) as Pod
      checkPreconditions({ group: '', resource: 'Pod' }, pod, options.preconditions)
      const others = (pod.status?.conditions ?? []).filter((condition) => condition.type !== 'DisruptionTarget')
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        lastProbeTime: null,
        lastTransitionTime: context.now,
        reason: 'EvictionByEvictionAPI',
        message: 'Eviction API: evicting',
      }
      pod.status = { ...pod.status, conditions: [...others, condition as unknown as (typeof others)[number]] }
      return pod
    },
    approve: async () => {},
  }
  const { stored } = await core.objects.update(kind, steps, context, () => Promise.reject(new Error('an eviction creates no pod')))
  if (options.preconditions.resourceVersion) options.preconditions = { ...options.preconditions, resourceVersion: String(stored.revision) }
}
