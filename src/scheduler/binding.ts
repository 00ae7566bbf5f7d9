/**
 * From the choice of a node to the pod's binding, beside the next decisions: what plugins hold for the pod is written, then the
 * binding itself. Whatever fails is taken back, and the pod is decided anew after its backoff.
 */
import { pods, type Pod } from '../api/kinds/core/v1.ts'
import { keyOf } from '../api/resource.ts'
import { isConflict, isNotFound } from '../api/status.ts'
import { allOrNone } from '../base/abort.ts'
import type { FilterCycle } from './cycle.ts'
import { DELETE } from './events.ts'
import type { AttemptFailures } from './failures.ts'
import type { SchedulerParts } from './parts.ts'
import type { Profile } from './profile.ts'
import type { QueuedPod } from './queue.ts'
import type { Found } from './schedulePod.ts'

/** Pods that are being bound at one time; those that wait for volumes do not count. */
const BINDINGS_MAX = 256

/** Takes back what plugins hold for a pod. */
export function unreserve(profile: Profile, cycle: FilterCycle): void {
  for (const plugin of profile.points.reserve.toReversed()) cycle.prepared(plugin.name)?.unreserve?.()
}

/** Errors of plugins say at which point of which plugin they came up. */
async function runPlugin(point: 'PreBind' | 'Bind', plugin: string, run: () => Promise<void> | undefined): Promise<void> {
  try {
    await run()
  } catch (cause) {
    throw new Error(`running ${point} plugin "${plugin}": ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

export class Bindings {
  readonly #parts: SchedulerParts
  readonly #failures: AttemptFailures
  /** Pods whose place is chosen and not in the API yet. */
  readonly #uids = new Set<string>()
  #writing = 0
  #written: PromiseWithResolvers<void> | undefined

  constructor(parts: SchedulerParts, failures: AttemptFailures) {
    this.#parts = parts
    this.#failures = failures
  }

  has(uid: string): boolean {
    return this.#uids.has(uid)
  }

  /** What to wait for while too many are on their way. */
  get congestion(): Promise<void> | undefined {
    return this.#writing >= BINDINGS_MAX ? (this.#written ??= Promise.withResolvers<void>()).promise : undefined
  }

  /** The pod is assumed to be on the node already. */
  async bind(queued: QueuedPod, profile: Profile, { nodeName, cycle }: Found, startMs: number): Promise<void> {
    const { context, queue } = this.#parts
    const { uid } = queued.info.pod.metadata
    this.#uids.add(uid)
    try {
      await this.#preBind(queued.info.pod, profile, cycle, nodeName)
      queue.done(uid)
      await this.#write(queued, profile, nodeName)
      this.#bound(queued, profile, nodeName, startMs)
    } catch (error) {
      if (!context.signal.aborted) this.#failed(queued, profile, { nodeName, cycle }, error, startMs)
    } finally {
      this.#uids.delete(uid)
    }
  }

  #bound(queued: QueuedPod, profile: Profile, nodeName: string, startMs: number): void {
    const { cache, metrics, context, recorderOf } = this.#parts
    const { pod } = queued.info
    const { name, namespace, uid } = pod.metadata
    cache.finishBinding(uid)
    metrics.attempt('scheduled', profile.schedulerName, (performance.now() - startMs) / 1_000)
    metrics.scheduled(queued.attempts, (context.clock.now() - (queued.firstTriedMs ?? queued.addedMs)) / 1_000)
    const message = `Successfully assigned ${namespace}/${name} to ${nodeName}`
    recorderOf(profile).record(pod, { type: 'Normal', reason: 'Scheduled', action: 'Binding', message })
  }

  #failed(
    queued: QueuedPod,
    profile: Profile,
    { nodeName, cycle }: Pick<Found, 'nodeName' | 'cycle'>,
    error: unknown,
    startMs: number,
  ): void {
    const { informers, queue, cache, context } = this.#parts
    const { pod } = queued.info
    const { uid } = pod.metadata
    this.#uids.delete(uid)
    unreserve(profile, cycle)
    // Another scheduler was faster, or the binding arrived and its answer did not.
    if (informers.for(pods).get(keyOf(pod))?.spec.nodeName) return queue.done(uid)
    cache.forget(uid)
    // Its place is free for others.
    const placed: Pod = { ...pod, spec: { ...pod.spec, nodeName } }
    queue.moved({ resource: 'Pod', actions: DELETE, before: placed })
    if (!isConflict((error as Error).cause)) context.log.error('could not bind a pod', error, { pod: keyOf(pod), node: nodeName })
    this.#failures.error(queued, profile, error, startMs)
  }

  /** Volumes and devices first, neither waiting for the other; the pod says meanwhile where it will be. */
  async #preBind(pod: Pod, profile: Profile, cycle: FilterCycle, nodeName: string): Promise<void> {
    const { client, context } = this.#parts
    const { signal } = context
    const needed = profile.points.preBind.filter((plugin) => cycle.prepared(plugin.name)?.needsPreBind?.(nodeName))
    if (needed.length === 0) return
    const { namespace, name } = pod.metadata
    const at = { namespace, name, subresource: 'status' as const, signal, type: 'application/merge-patch+json' as const }
    await client.patch(pods, at, { status: { nominatedNodeName: nodeName } }).catch((error: unknown) => {
      if (isNotFound(error)) throw error
    })
    const runs = needed.map(
      ({ name: plugin }) =>
        (either: AbortSignal) =>
          runPlugin('PreBind', plugin, () => cycle.prepared(plugin)?.preBind?.(nodeName, either)),
    )
    await allOrNone(runs, signal)
  }

  async #write({ info }: QueuedPod, profile: Profile, nodeName: string): Promise<void> {
    const { extenders, context } = this.#parts
    this.#writing++
    try {
      if (await extenders?.binder(info)?.(info.pod, nodeName)) return
      const [plugin] = profile.points.bind
      if (plugin) await runPlugin('Bind', plugin.name, () => plugin.bind?.(info.pod, nodeName, context.signal))
    } finally {
      this.#writing--
      this.#written?.resolve()
      this.#written = undefined
    }
  }
}
