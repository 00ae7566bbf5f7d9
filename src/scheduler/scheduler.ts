/**
 * The scheduler: gives each pod without a node the best node that fits (kube-scheduler's contract: the Binding subresource,
 * the PodScheduled condition, its events). One pod at a time is decided; binding runs beside the next decision.
 */
import type { ComponentContext } from '../base/component.ts'
import { isConflict, isNotFound } from '../api/status.ts'
import { namespaces, nodes, persistentvolumeclaims, persistentvolumes, pods, type Node, type Pod } from '../api/kinds/core/v1.ts'
import { findCondition, timestamp } from '../api/meta.ts'
import { claimNamesOf, hasFinished } from '../api/pods.ts'
import { storageclasses } from '../api/kinds/storage/v1.ts'
import { keyOf, type KubeObject, type Resource } from '../api/resource.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Change, Informers } from '../client/informer.ts'
import { SchedulerCache } from './cache.ts'
import { defaultPlugins } from './defaultPlugins.ts'
import { bindVolumes, volumeListers } from './plugins/volumeBinding.ts'
import { SchedulingQueue } from './queue.ts'
import { describeFailure, schedulePod, type Plugins } from './schedulePod.ts'

export interface SchedulerOptions {
  client: Client
  informers: Informers
  events: EventRecorder
  /** Pods with this `schedulerName` are ours. */
  schedulerName?: string
  plugins?: Plugins
  /** 0 ≤ result < 1. */
  random?: () => number
}

const DEFAULT_SCHEDULER = 'default-scheduler'
const WATCHED: readonly Resource<KubeObject>[] = [
  namespaces,
  nodes,
  pods,
  persistentvolumeclaims,
  persistentvolumes,
  storageclasses,
] as Resource[]

export async function runScheduler(options: SchedulerOptions, context: ComponentContext): Promise<void> {
  const { signal, clock, ready } = context
  const scheduler = new Scheduler(options, new SchedulingQueue(clock), context)
  const stop = scheduler.observe()
  try {
    await Promise.all(WATCHED.map((resource) => options.informers.for(resource).synced(signal)))
    ready()
    await scheduler.run()
  } finally {
    stop()
  }
}

class Scheduler {
  readonly #options: Required<SchedulerOptions>
  readonly #queue: SchedulingQueue
  readonly #cache = new SchedulerCache()
  /** Pods whose place is chosen and not in the API yet. */
  readonly #binding = new Set<string>()
  readonly #context: ComponentContext

  constructor(options: SchedulerOptions, queue: SchedulingQueue, context: ComponentContext) {
    this.#options = {
      schedulerName: DEFAULT_SCHEDULER,
      plugins: defaultPlugins({ ...volumeListers(options.informers), namespaces: options.informers.for(namespaces) }),
      random: Math.random,
      ...options,
    }
    this.#queue = queue
    this.#context = context
  }

  observe(): () => void {
    const { informers } = this.#options
    const stops = [
      informers.for(nodes).onChange((change) => this.#nodeChanged(change)),
      informers.for(pods).onChange((change) => this.#podChanged(change)),
      informers.for(persistentvolumeclaims).onChange(() => this.#queue.moveAll(hasClaims)),
      informers.for(persistentvolumes).onChange(() => this.#queue.moveAll(hasClaims)),
      informers.for(storageclasses).onChange(() => this.#queue.moveAll(hasClaims)),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }

  async run(): Promise<void> {
    const { signal } = this.#context
    for (;;) {
      const next = await this.#queue.next(signal)
      if (!next) return
      await this.#scheduleOne(next.pod, next.moves)
    }
  }

  #nodeChanged({ key, before, after }: Change<Node>): void {
    if (!after) return this.#cache.removeNode(key)
    this.#cache.setNode(after)
    if (!before || mayAdmitMore(before, after)) this.#queue.moveAll()
  }

  #podChanged({ before, after }: Change<Pod>): void {
    const pod = after ?? (before as Pod)
    const { uid } = pod.metadata
    if (!after || hasFinished(after)) {
      this.#queue.delete(uid)
      this.#cache.removePod(uid)
      if (pod.spec.nodeName) this.#queue.moveAll()
      return
    }
    if (after.spec.nodeName) {
      this.#queue.delete(uid)
      this.#cache.setPod(after, after.spec.nodeName)
      return
    }
    if (after.spec.schedulerName !== this.#options.schedulerName || after.metadata.deletionTimestamp) return this.#queue.delete(uid)
    if ((after.spec.schedulingGates ?? []).length > 0 || this.#binding.has(uid)) return
    if (!before || !this.#queue.has(uid) || specChanged(before, after)) this.#queue.add(after)
    else this.#queue.refresh(after)
  }

  async #scheduleOne(pod: Pod, moves: number): Promise<void> {
    const { plugins, random } = this.#options
    const snapshot = this.#cache.snapshot()
    const decision = schedulePod({ pod, snapshot, plugins, pick: (count) => Math.floor(random() * count) })
    if ('node' in decision) {
      this.#cache.setPod(pod, decision.node)
      void this.#bind(pod, decision.node)
      return
    }
    this.#queue.failed(pod, moves)
    const message = describeFailure(pod, snapshot.nodes.length, decision)
    await this.#reportFailure(pod, 'Unschedulable', message)
  }

  async #bind(pod: Pod, nodeName: string): Promise<void> {
    const { client, events, informers } = this.#options
    const { signal } = this.#context
    const { name, namespace, uid } = pod.metadata
    this.#binding.add(uid)
    try {
      await bindVolumes(pod, nodeName, client, informers, signal)
      const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target: { kind: 'Node', name: nodeName } }
      await client.create<Pod, unknown>(pods, binding as unknown as Pod, { namespace, name, subresource: 'binding', signal })
      this.#queue.succeeded(uid)
      events.record(pod, { type: 'Normal', reason: 'Scheduled', message: `Successfully assigned ${namespace}/${name} to ${nodeName}` })
    } catch (error) {
      if (!signal.aborted) this.#bindingFailed(pod, nodeName, error)
    } finally {
      this.#binding.delete(uid)
    }
  }

  #bindingFailed(pod: Pod, nodeName: string, error: unknown): void {
    const { uid } = pod.metadata
    const latest = this.#options.informers.for(pods).get(keyOf(pod))
    const isThere = latest?.metadata.uid === uid
    // Another scheduler was faster, or the binding arrived and its answer did not.
    if (isThere && latest.spec.nodeName) return
    this.#cache.removePod(uid)
    if (!isThere || latest.metadata.deletionTimestamp !== undefined || isNotFound(error)) return
    if (!isConflict(error)) this.#context.log.error('could not bind a pod', error, { pod: keyOf(pod), node: nodeName })
    this.#queue.retry(latest)
  }

  async #reportFailure(pod: Pod, reason: string, message: string): Promise<void> {
    const { client, events } = this.#options
    const { name, namespace } = pod.metadata
    events.record(pod, { type: 'Warning', reason: 'FailedScheduling', message })
    const before = findCondition(pod.status?.conditions, 'PodScheduled')
    if (before?.status === 'False' && before.reason === reason && before.message === message) return
    const now = timestamp(this.#context.clock.now())
    const lastTransitionTime = before?.status === 'False' ? before.lastTransitionTime : now
    const condition = { type: 'PodScheduled', status: 'False', reason, message, lastProbeTime: null, lastTransitionTime }
    const at = { namespace, name, subresource: 'status' as const, signal: this.#context.signal }
    try {
      await client.patch(pods, { ...at, type: 'application/strategic-merge-patch+json' }, { status: { conditions: [condition] } })
    } catch (error) {
      if (!isNotFound(error))
        this.#context.log.warn('could not report that a pod is unschedulable', { pod: `${namespace}/${name}`, error: String(error) })
    }
  }
}

/** Whether a node's change could make room for a pod that did not fit. */
function mayAdmitMore(before: Node, after: Node): boolean {
  const relevant = ({ metadata, spec, status }: Node): string =>
    JSON.stringify([metadata.labels, spec.taints, spec.unschedulable, status?.allocatable])
  return relevant(before) !== relevant(after)
}

function specChanged(before: Pod, after: Pod): boolean {
  return (
    before.metadata.generation !== after.metadata.generation ||
    JSON.stringify(before.metadata.labels) !== JSON.stringify(after.metadata.labels)
  )
}

function hasClaims(pod: Pod): boolean {
  return claimNamesOf(pod).length > 0
}
