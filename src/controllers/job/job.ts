/** The job controller: runs pods to completion and counts each of them exactly once (upstream's pkg/controller/job). */
import type { Clock } from '../../base/clock.ts'
import { jobs, type Job } from '../../api/kinds/batch/v1.ts'
import { pods, type Pod } from '../../api/kinds/core/v1.ts'
import { controllerOf } from '../../api/meta.ts'
import { keyOf, splitKey } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { Dependents } from '../dependents.ts'
import { at } from '../ownership.ts'
import { createPodControl, isNamespaceTerminating, slowStart, type PodControl } from '../podControl.ts'
import { recheck, workloadController, type Pass, type Workload } from '../workload.ts'
import { JobBackoffs } from './backoff.ts'
import { isIndexed, isTracked, TRACKING_FINALIZER } from './finishedPods.ts'
import { jobPod } from './jobPod.ts'
import { planJob, type JobInput, type JobPlan } from './plan.ts'

const OUR_MANAGER = 'kubernetes.io/job-controller'
/** Before the keys of pods; others are Jobs'. */
const ORPHAN = 'orphan:'

class Jobs implements Workload<Job, JobInput, JobPlan> {
  readonly name = 'job-controller'
  readonly resource = jobs
  readonly watches
  readonly writesTo
  readonly plan = planJob
  readonly #client: Client
  readonly #events: EventRecorder
  readonly #clock: Clock
  readonly #pods: Dependents<Job, Pod>
  readonly #podControl: PodControl
  readonly #backoffs = new JobBackoffs()

  constructor(context: ControllerContext) {
    this.#client = context.client
    this.#events = context.events
    this.#clock = context.clock
    this.#pods = new Dependents(context, { owner: jobs, resource: pods, selectorOf: ({ spec }) => spec?.selector })
    this.#podControl = createPodControl(context)
    this.watches = [watch(pods, (pod) => this.#keysOf(pod))]
    this.writesTo = [this.#pods]
  }

  async takeStock({ key, object: job, signal }: Pass<Job>): Promise<JobInput | undefined> {
    if (job.spec?.managedBy && job.spec.managedBy !== OUR_MANAGER) return undefined
    const owned = await this.#pods.claim(job, signal)
    if (isIndexed(job) && job.spec?.completions === undefined) return undefined
    return { job, pods: owned, nowMs: this.#clock.now(), ends: this.#backoffs.note(key, job, owned) }
  }

  async apply(pass: Pass<Job>, plan: JobPlan): Promise<Outcome> {
    const { key, object: job, signal } = pass
    await Promise.all(plan.discard.map((pod) => this.#untrack(pod, key, signal)))
    await Promise.all([...plan.remove, ...plan.discard].map((pod) => this.#pods.track(key, this.#podControl.remove(job, pod, signal))))
    const { created, error } = await this.#create(pass, plan.create)
    const active = (plan.status.active ?? 0) + created
    // The order matters: what is counted must be on record before the pods may go.
    const isNews = await pass.report({ ...job, status: active > 0 ? { ...plan.status, active } : plan.status })
    if (isNews && plan.event) this.#events.record(job, plan.event)
    await Promise.all(plan.untrack.map((pod) => this.#untrack(pod, key, signal)))
    if (error !== undefined) throw error
    return recheck([plan.recheckAfterMs])
  }

  async forget(key: string, signal: AbortSignal): Promise<void> {
    if (key.startsWith(ORPHAN)) return this.#releaseOrphan(key.slice(ORPHAN.length), signal)
    this.#backoffs.forget(key)
    await this.#release(key, signal)
  }

  /** A pod that a Job has let go of is looked at by itself: nobody else would take the finalizer away. */
  #keysOf(pod: Pod): string[] {
    const owners = this.#pods.ownersOf(pod)
    return owners.length > 0 || !isTracked(pod) || controllerOf(pod) ? owners : [ORPHAN + keyOf(pod)]
  }

  /** How many pods came of it, and what kept the others from it. */
  async #create({ key, object: job, signal }: Pass<Job>, missing: JobPlan['create']): Promise<{ created: number; error?: unknown }> {
    const left = [...missing]
    let created = 0
    try {
      await slowStart(left.length, async () => {
        const next = left.shift()
        if (!next) return
        await this.#pods.track(key, this.#podControl.create(job, jobPod(job, next), signal))
        created++
      })
      return { created }
    } catch (error) {
      return isNamespaceTerminating(error) ? { created } : { created, error }
    }
  }

  async #untrack(pod: Pod, key: string, signal: AbortSignal): Promise<void> {
    const finalizers = (pod.metadata.finalizers ?? []).filter((finalizer) => finalizer !== TRACKING_FINALIZER)
    const patch = { metadata: { uid: pod.metadata.uid, resourceVersion: pod.metadata.resourceVersion, finalizers } }
    try {
      this.#pods.wrote(key, await this.#client.patch(pods, { ...at(pod), type: 'application/merge-patch+json', signal }, patch))
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  /** Pods whose Job is gone must not be held back by it. */
  async #release(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key)
    for (const pod of this.#pods.informer.list(namespace)) {
      const owner = controllerOf(pod)
      if (owner?.kind === 'Job' && owner.name === name && isTracked(pod)) await this.#untrack(pod, key, signal)
    }
  }

  async #releaseOrphan(key: string, signal: AbortSignal): Promise<void> {
    const pod = this.#pods.informer.get(key)
    if (!pod || !isTracked(pod) || controllerOf(pod)) return
    if (this.#pods.ownersOf(pod).length === 0) await this.#untrack(pod, ORPHAN + key, signal)
  }
}

export function jobController(context: ControllerContext): Controller {
  return workloadController<Job, JobInput, JobPlan>(context, new Jobs(context))
}
