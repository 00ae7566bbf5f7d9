/** The job controller: runs pods to completion and counts each of them exactly once (upstream's pkg/controller/job). */
import { jobs, type Job } from '../../api/kinds/batch/v1.ts'
import { pods, type Pod } from '../../api/kinds/core/v1.ts'
import { controllerOf, newControllerRef } from '../../api/meta.ts'
import { keyOf, splitKey, type Draft } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { semanticallyEqual } from '../hash.ts'
import { CACHE_LAG_RECHECK_MS, OwnWrites } from '../ownWrites.ts'
import { adopters, at, claim, indexByOwner, ownedOrOrphaned, ownerKey } from '../ownership.ts'
import { createPodControl, isNamespaceTerminating, slowStart } from '../podControl.ts'
import { podFromTemplate } from '../podState.ts'
import { JobBackoffs } from './backoff.ts'
import { COMPLETION_INDEX, IGNORED_INDEX_FAILURES, INDEX_FAILURES, isIndexed, isTracked, TRACKING_FINALIZER } from './finishedPods.ts'
import type { IndexFailures } from './perIndex.ts'
import { planJob, type JobPlan } from './plan.ts'

const OUR_MANAGER = 'kubernetes.io/job-controller'
/** Before the keys of pods; others are Jobs'. */
const ORPHAN = 'orphan:'

const failureMarks = ({ counted, ignored }: IndexFailures): Record<string, string> => ({
  [INDEX_FAILURES]: String(counted),
  ...(ignored > 0 && { [IGNORED_INDEX_FAILURES]: String(ignored) }),
})

export function jobPod(job: Job, { index, failures }: JobPlan['create'][number]): Draft<Pod> {
  const template = job.spec?.template
  const draft = podFromTemplate(template, job, newControllerRef(job, jobs))
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined
  const { finalizers = [], annotations, labels } = draft.metadata
  const tracked = { ...draft.metadata, finalizers: [...finalizers, TRACKING_FINALIZER] }
  if (index === undefined) return { ...draft, metadata: tracked }
  const env = { name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef: { fieldPath: `metadata.labels['${COMPLETION_INDEX}']` } } }
  const withIndex = <C extends { name: string; env?: { name: string }[] }>(containers: readonly C[]): C[] =>
    containers.map((container) =>
      container.env?.some(({ name }) => name === env.name) ? container : { ...container, env: [...(container.env ?? []), env] },
    )
  const { spec } = draft
  return {
    ...draft,
    metadata: {
      ...tracked,
      generateName: `${job.metadata.name}-${index}-`,
      labels: { ...labels, [COMPLETION_INDEX]: String(index) },
      annotations: { ...annotations, [COMPLETION_INDEX]: String(index), ...(perIndex && failureMarks(failures)) },
    },
    spec: {
      ...spec,
      hostname: spec.hostname ?? `${job.metadata.name}-${index}`,
      containers: withIndex(spec.containers),
      ...(spec.initContainers && { initContainers: withIndex(spec.initContainers) }),
    },
  }
}

export function jobController(context: ControllerContext): Controller {
  const { client, informers, events, clock } = context
  const jobInformer = informers.for(jobs)
  const podInformer = informers.for(pods)
  indexByOwner(podInformer)
  const podControl = createPodControl(context)
  const podWrites = new OwnWrites()
  const backoffs = new JobBackoffs()
  const jobWrites = new OwnWrites()

  async function untrack(pod: Pod, key: string, signal: AbortSignal): Promise<void> {
    const finalizers = (pod.metadata.finalizers ?? []).filter((finalizer) => finalizer !== TRACKING_FINALIZER)
    const patch = { metadata: { uid: pod.metadata.uid, resourceVersion: pod.metadata.resourceVersion, finalizers } }
    try {
      podWrites.wrote(key, await client.patch(pods, { ...at(pod), type: 'application/merge-patch+json', signal }, patch))
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  /** Pods whose Job is gone must not be held back by it. */
  async function release(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key)
    for (const pod of podInformer.list(namespace)) {
      const owner = controllerOf(pod)
      if (owner?.kind === 'Job' && owner.name === name && isTracked(pod)) await untrack(pod, key, signal)
    }
  }

  /** How many pods came of it, and what kept the others from it. */
  async function createPods(
    job: Job,
    missing: JobPlan['create'],
    key: string,
    signal: AbortSignal,
  ): Promise<{ created: number; error?: unknown }> {
    const left = [...missing]
    let created = 0
    try {
      await slowStart(left.length, async () => {
        const next = left.shift()
        if (!next) return
        await podWrites.track(key, podControl.create(job, jobPod(job, next), signal))
        created++
      })
      return { created }
    } catch (error) {
      return isNamespaceTerminating(error) ? { created } : { created, error }
    }
  }

  async function apply(job: Job, plan: JobPlan, key: string, signal: AbortSignal): Promise<void> {
    await Promise.all(plan.discard.map((pod) => untrack(pod, key, signal)))
    await Promise.all([...plan.remove, ...plan.discard].map((pod) => podWrites.track(key, podControl.remove(job, pod, signal))))
    const { created, error } = await createPods(job, plan.create, key, signal)
    const active = (plan.status.active ?? 0) + created
    const status = active > 0 ? { ...plan.status, active } : plan.status
    // The order matters: what is counted must be on record before the pods may go.
    if (!signal.aborted && !semanticallyEqual(status, job.status)) {
      jobWrites.wrote(key, await client.update(jobs, { ...job, status }, { subresource: 'status', signal }))
      if (plan.event) events.record(job, plan.event)
    }
    await Promise.all(plan.untrack.map((pod) => untrack(pod, key, signal)))
    if (error !== undefined) throw error
  }

  /** Jobs that may take a pod without a controller: one that is leaving takes none. */
  const adoptersOf = (pod: Pod): string[] =>
    adopters(pod, jobInformer, (job) => job.spec?.selector).filter((key) => jobInformer.get(key)?.metadata.deletionTimestamp === undefined)

  /** A pod that a Job has let go of: nobody else would take the finalizer away. */
  async function releaseOrphan(key: string, signal: AbortSignal): Promise<void> {
    const pod = podInformer.get(key)
    if (!pod || !isTracked(pod) || controllerOf(pod)) return
    if (adoptersOf(pod).length === 0) await untrack(pod, ORPHAN + key, signal)
  }

  return {
    name: 'job-controller',
    watches: [
      watch(jobs, (job) => [keyOf(job)]),
      watch(pods, (pod) => {
        const owner = ownerKey(pod, jobs)
        if (owner) return [owner]
        const found = adoptersOf(pod)
        return found.length > 0 || !isTracked(pod) || controllerOf(pod) ? found : [ORPHAN + keyOf(pod)]
      }),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      if (key.startsWith(ORPHAN)) return releaseOrphan(key.slice(ORPHAN.length), signal)
      const job = jobInformer.get(key)
      if (!job) {
        backoffs.forget(key)
        return release(key, signal)
      }
      if (job.spec?.managedBy && job.spec.managedBy !== OUR_MANAGER) return
      await podWrites.clearUp(key, () => client.list(pods, { namespace: job.metadata.namespace, signal }))
      if (!podWrites.seenBy(key, podInformer) || !jobWrites.seenBy(key, jobInformer)) return { requeueAfterMs: CACHE_LAG_RECHECK_MS }
      const owned = await claim({
        client,
        owner: job,
        ownerResource: jobs,
        resource: pods,
        selector: job.spec?.selector,
        candidates: ownedOrOrphaned(podInformer, job),
        signal,
      })
      if (isIndexed(job) && job.spec?.completions === undefined) return
      const plan = planJob(job, owned, clock.now(), backoffs.note(key, job, owned))
      await apply(job, plan, key, signal)
      if (plan.recheckAfterMs !== undefined) return { requeueAfterMs: plan.recheckAfterMs }
    },
  }
}
