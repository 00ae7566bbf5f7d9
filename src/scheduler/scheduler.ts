/**
 * The scheduler: gives each pod without a node the best node that fits (kube-scheduler's contract: the Binding subresource,
 * the PodScheduled condition, its events). One pod at a time is decided; binding runs beside the next decisions.
 */
import type { ComponentContext } from '../base/component.ts'
import { isConflict, isNotFound } from '../api/status.ts'
import { namespaces, nodes, persistentvolumeclaims, persistentvolumes, pods, type Node, type Pod } from '../api/kinds/core/v1.ts'
import { poddisruptionbudgets } from '../api/kinds/policy/v1.ts'
import { csidrivers, csinodes, csistoragecapacities, storageclasses, volumeattachments } from '../api/kinds/storage/v1.ts'
import { deviceclasses, resourceclaims, resourceslices } from '../api/kinds/resource/v1.ts'
import { hasFinished } from '../api/pods.ts'
import { keyOf, type KubeObject, type Resource } from '../api/resource.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Change, Informers } from '../client/informer.ts'
import { SchedulerCache } from './cache.ts'
import { readSchedulerConfiguration, type SchedulerConfiguration } from './configuration.ts'
import type { FilterCycle, Diagnosis } from './cycle.ts'
import { ADD, DELETE, nodeActions, podActions, UPDATE_OTHER, type EventResource } from './events.ts'
import { createExtenders, resourcesIgnoredByScheduler, type HttpExtenders } from './extender.ts'
import { reportFailure, type Failure } from './failures.ts'
import { FITS, type PostFilterResult } from './framework.ts'
import { LocalVerdicts } from './localVerdicts.ts'
import { SchedulerMetrics } from './metrics.ts'
import { Nominator } from './nominator.ts'
import { newPodInfo } from './podInfo.ts'
import { SELECTING } from './plugins/defaultSelector.ts'
import { askPostFilters } from './postFilter.ts'
import { createPlugin } from './plugins/registry.ts'
import { buildProfile, type Profile } from './profile.ts'
import { SchedulingQueue, type QueuedPod } from './queue.ts'
import { describeFailure, schedulePod, type Decision, type Found, type NotFound } from './schedulePod.ts'

export interface SchedulerOptions {
  client: Client
  informers: Informers
  events: EventRecorder
  /** One that speaks in a profile's name, where there are several. */
  recorderFor?: (schedulerName: string) => EventRecorder
  configuration?: SchedulerConfiguration
  /** 0 ≤ result < 1. */
  random?: () => number
  /** Called once with the metrics, for whoever serves them. */
  onMetrics?: (metrics: SchedulerMetrics) => void
}

/** Resources whose changes are nothing but events for the queue. */
const EVENT_RESOURCES: readonly [EventResource, Resource<KubeObject>][] = [
  ['PersistentVolumeClaim', persistentvolumeclaims as Resource],
  ['PersistentVolume', persistentvolumes as Resource],
  ['StorageClass', storageclasses as Resource],
  ['CSINode', csinodes as Resource],
  ['CSIDriver', csidrivers as Resource],
  ['CSIStorageCapacity', csistoragecapacities as Resource],
  ['VolumeAttachment', volumeattachments as Resource],
  ['ResourceClaim', resourceclaims as Resource],
  ['ResourceSlice', resourceslices as Resource],
  ['DeviceClass', deviceclasses as Resource],
]
const WATCHED: readonly Resource<KubeObject>[] = [namespaces, nodes, pods, poddisruptionbudgets, ...SELECTING] as Resource[]

/** Decisions in a row before others get their turn. */
const BURST_MS = 10
/** Pods that are being bound at one time; those that wait for volumes do not count. */
const BINDINGS_MAX = 256
const EXPIRE_PERIOD_MS = 60_000

export async function runScheduler(options: SchedulerOptions, context: ComponentContext): Promise<void> {
  const { signal, ready } = context
  const scheduler = new Scheduler(options, context)
  const stop = scheduler.observe()
  try {
    const resources = [...WATCHED, ...EVENT_RESOURCES.map(([, resource]) => resource)]
    await Promise.all(resources.map((resource) => options.informers.for(resource).synced(signal)))
    ready()
    await scheduler.run()
  } finally {
    stop()
  }
}

class Scheduler {
  readonly #options: SchedulerOptions
  readonly #context: ComponentContext
  readonly #profiles: ReadonlyMap<string, Profile>
  readonly #queue: SchedulingQueue
  readonly #cache: SchedulerCache
  readonly #nominator = new Nominator()
  readonly #known = new LocalVerdicts()
  readonly #extenders: HttpExtenders | undefined
  readonly #metrics: SchedulerMetrics
  readonly #random: () => number
  /** Pods whose place is chosen and not in the API yet. */
  readonly #binding = new Set<string>()
  readonly #recorders = new Map<string, EventRecorder>()
  #writing = 0
  #bindingDone: PromiseWithResolvers<void> | undefined
  #nextIndex = 0

  constructor(options: SchedulerOptions, context: ComponentContext) {
    const { clock, log, signal } = context
    this.#options = options
    this.#context = context
    this.#random = options.random ?? Math.random
    const configuration = options.configuration ?? readSchedulerConfiguration()
    this.#cache = new SchedulerCache(clock)
    this.#extenders = createExtenders({ configurations: configuration.extenders, view: this.#cache, log, signal })
    this.#profiles = this.#buildProfiles(configuration)
    const [first] = this.#profiles.values()
    const hints = first?.hints ?? new Map()
    this.#queue = new SchedulingQueue({
      clock,
      initialBackoffMs: configuration.podInitialBackoffMs,
      maxBackoffMs: configuration.podMaxBackoffMs,
      hooks: {
        isBefore: first?.points.queueSort.isBefore ?? (() => false),
        gate: (pod) => this.#gate(pod),
        hints: (pod) => this.#profileOf(pod)?.hints ?? hints,
        incoming: (queue, event) => this.#metrics.incoming(queue, event),
        flushed: () => this.#metrics.flushed(),
      },
    })
    this.#metrics = new SchedulerMetrics({
      queue: () => this.#queue.lengths,
      cache: () => this.#cache.sizes,
      refusedByPlugin: () => this.#queue.refusedByPlugin(),
      inFlightEvents: () => this.#queue.inFlightEvents,
    })
    options.onMetrics?.(this.#metrics)
  }

  #buildProfiles(configuration: SchedulerConfiguration): Map<string, Profile> {
    const { clock, log, signal } = this.#context
    const { client, informers, events } = this.#options
    const extenders = this.#extenders
    const handle = {
      client,
      informers,
      events,
      clock,
      log,
      signal,
      nominator: this.#nominator,
      random: this.#random,
      activate: (uid: string) => this.#queue.activate(uid),
      ungate: (uid: string) => this.#queue.ungate(uid),
      ignoredResources: resourcesIgnoredByScheduler(configuration.extenders),
      observedPreemption: (what: 'attempt' | { victims: number }) => this.#metrics.preemption(what),
      ...(extenders?.hasPreemption && { processPreemption: extenders.processPreemption }),
    }
    return new Map(
      configuration.profiles.map((profile) => [
        profile.schedulerName,
        buildProfile(profile, (name) => createPlugin(name, profile.args, handle), configuration.percentageOfNodesToScore),
      ]),
    )
  }

  observe(): () => void {
    const { informers } = this.#options
    const stops = [
      this.#queue.start(),
      informers.for(nodes).onChange((change) => this.#nodeChanged(change)),
      informers.for(pods).onChange((change) => this.#podChanged(change)),
      informers.for(namespaces).onChange(({ before, after }) => {
        // Only a change of labels can matter, to terms with a namespace selector.
        if (before && after && JSON.stringify(before.metadata.labels) !== JSON.stringify(after.metadata.labels))
          this.#queue.moved({ resource: 'Namespace', actions: UPDATE_OTHER, before, after })
      }),
      ...EVENT_RESOURCES.map(([name, resource]) =>
        informers
          .for(resource)
          .onChange(({ before, after }) =>
            this.#queue.moved({ resource: name, actions: after ? (before ? UPDATE_OTHER : ADD) : DELETE, before, after }),
          ),
      ),
    ]
    let cancel = (): void => {}
    const expire = (): void => {
      this.#cache.expire()
      cancel = this.#context.clock.after(EXPIRE_PERIOD_MS, expire)
    }
    cancel = this.#context.clock.after(EXPIRE_PERIOD_MS, expire)
    return () => {
      cancel()
      for (const stop of stops) stop()
    }
  }

  async run(): Promise<void> {
    const { signal } = this.#context
    let burstStartMs = performance.now()
    for (;;) {
      const queued = await this.#queue.next(signal)
      if (!queued) return
      const pending = this.#scheduleOne(queued)
      if (pending) await pending
      if (this.#writing >= BINDINGS_MAX) await (this.#bindingDone ??= Promise.withResolvers<void>()).promise
      if (performance.now() - burstStartMs < BURST_MS) continue
      await new Promise((resolve) => setImmediate(resolve))
      burstStartMs = performance.now()
    }
  }

  #recorder({ schedulerName }: Profile): EventRecorder {
    let recorder = this.#recorders.get(schedulerName)
    if (!recorder) this.#recorders.set(schedulerName, (recorder = this.#options.recorderFor?.(schedulerName) ?? this.#options.events))
    return recorder
  }

  #profileOf(pod: Pod): Profile | undefined {
    return this.#profiles.get(pod.spec.schedulerName ?? '')
  }

  #gate(pod: Pod): { plugin: string; reason: string } | undefined {
    for (const plugin of this.#profileOf(pod)?.points.preEnqueue ?? []) {
      const reason = plugin.preEnqueue?.(pod)
      if (reason !== undefined) return { plugin: plugin.name, reason }
    }
    return undefined
  }

  #nodeChanged({ key, before, after }: Change<Node>): void {
    if (!after) {
      this.#cache.removeNode(key)
      this.#queue.moved({ resource: 'Node', actions: DELETE, before })
      return
    }
    const actions = before ? nodeActions(before, after) : ADD
    // A heartbeat is nothing to the cache.
    if (actions === 0 && before?.status?.images === after.status?.images) return
    this.#cache.setNode(after)
    if (actions !== 0) this.#queue.moved({ resource: 'Node', actions, before, after })
  }

  #podChanged({ before, after }: Change<Pod>): void {
    if (before && after && before.metadata.uid !== after.metadata.uid) this.#podGone(before)
    if (!after || hasFinished(after)) return this.#podGone((after ?? before) as Pod)
    if (after.spec.nodeName) return this.#podPlaced(before, after)
    const { uid, deletionTimestamp } = after.metadata
    if (!this.#profileOf(after) || deletionTimestamp) {
      this.#queue.delete(uid)
      this.#nominator.delete(uid)
      return
    }
    const nominated = after.status?.nominatedNodeName
    if (nominated && !this.#cache.isAssumed(uid)) this.#nominator.set(newPodInfo(after), nominated)
    else if (before?.status?.nominatedNodeName && !nominated) this.#nominator.delete(uid)
    if (this.#binding.has(uid)) return
    if (before && (this.#queue.has(uid) || this.#queue.isInFlight(uid))) this.#queue.update(before, after)
    else if (!this.#queue.has(uid)) this.#queue.add(after)
  }

  #podGone(pod: Pod): void {
    const { uid } = pod.metadata
    this.#queue.delete(uid)
    this.#cache.removePod(uid)
    const wasPromised = this.#nominator.nodeOf(uid) !== undefined
    this.#nominator.delete(uid)
    // A place that was promised only is free again as well.
    if (pod.spec.nodeName) this.#queue.moved({ resource: 'Pod', actions: DELETE, before: pod })
    else if (wasPromised) {
      const before = { ...pod, spec: { ...pod.spec, nodeName: pod.status?.nominatedNodeName ?? '' } }
      this.#queue.moved({ resource: 'Pod', actions: DELETE, before })
    }
  }

  #podPlaced(before: Pod | undefined, after: Pod): void {
    const { uid } = after.metadata
    this.#queue.delete(uid)
    this.#nominator.delete(uid)
    this.#cache.setPod(after, after.spec.nodeName as string)
    const wasPlaced = before !== undefined && before.spec.nodeName !== undefined && before.metadata.uid === uid
    const actions = wasPlaced ? podActions(before, after) : ADD
    if (actions !== UPDATE_OTHER) this.#queue.moved({ resource: 'Pod', actions, ...(wasPlaced && { before }), after })
  }

  /** Answers nothing where the decision is made at once. */
  #scheduleOne(queued: QueuedPod): Promise<void> | undefined {
    const profile = this.#profileOf(queued.info.pod)
    if (!profile) {
      this.#queue.done(queued.info.pod.metadata.uid)
      return undefined
    }
    const startMs = performance.now()
    let decision: Decision | Promise<Decision>
    try {
      decision = schedulePod({
        info: queued.info,
        view: this.#cache,
        points: profile.points,
        nominator: this.#nominator,
        known: this.#known,
        startIndex: this.#nextIndex,
        percentageOfNodesToScore: profile.percentageOfNodesToScore,
        pick: (count) => Math.floor(this.#random() * count),
        ...(this.#extenders && { extenders: this.#extenders }),
      })
    } catch (error) {
      this.#attemptFailed(queued, profile, error, startMs)
      return undefined
    }
    if (!(decision instanceof Promise)) return this.#decided(queued, profile, decision, startMs)
    return decision.then(
      (later) => this.#decided(queued, profile, later, startMs),
      (error: unknown) => this.#attemptFailed(queued, profile, error, startMs),
    )
  }

  #decided(queued: QueuedPod, profile: Profile, decision: Decision, startMs: number): Promise<void> | undefined {
    this.#nextIndex = decision.nextIndex
    this.#metrics.algorithm((performance.now() - startMs) / 1_000)
    if (!('nodeName' in decision)) return this.#unschedulable(queued, profile, decision, startMs)
    const { nodeName, cycle } = decision
    for (const plugin of profile.points.reserve) {
      const verdict = cycle.prepared(plugin.name)?.reserve?.(nodeName) ?? FITS
      if (verdict.fits) continue
      this.#unreserve(profile, cycle)
      const refusals = new Map([[nodeName, { ...verdict, plugin: plugin.name }]])
      const diagnosis: Diagnosis = { refusals, plugins: new Set([plugin.name]) }
      this.#fail(queued, profile, { reason: 'Unschedulable', message: describeFailure(1, diagnosis) }, diagnosis.plugins, startMs)
      return undefined
    }
    this.#nominator.delete(queued.info.pod.metadata.uid)
    this.#cache.assume(queued.info, nodeName)
    void this.#bind(queued, profile, decision, startMs)
    return undefined
  }

  #unschedulable(queued: QueuedPod, profile: Profile, decision: NotFound, startMs: number): Promise<void> | undefined {
    const { diagnosis } = decision
    const count = this.#cache.nodes.length
    if (count === 0) {
      const message = 'no nodes available to schedule pods'
      this.#fail(queued, profile, { reason: 'Unschedulable', message }, diagnosis.plugins, startMs)
      return undefined
    }
    const finish = ({ nominatedNodeName, message }: PostFilterResult): void => {
      const text = describeFailure(count, diagnosis, message)
      this.#fail(queued, profile, { reason: 'Unschedulable', message: text, nominatedNodeName }, diagnosis.plugins, startMs)
    }
    const result = askPostFilters(queued.info, this.#cache, profile.points.postFilter, decision)
    if (result instanceof Promise) return result.then(finish)
    finish(result)
    return undefined
  }

  #unreserve(profile: Profile, cycle: FilterCycle): void {
    for (const plugin of profile.points.reserve.toReversed()) cycle.prepared(plugin.name)?.unreserve?.()
  }

  /** The newest object of a pod that still wants a node. */
  #latest(pod: Pod): Pod | undefined {
    const latest = this.#options.informers.for(pods).get(keyOf(pod))
    if (latest?.metadata.uid !== pod.metadata.uid || latest.spec.nodeName || latest.metadata.deletionTimestamp !== undefined)
      return undefined
    return latest
  }

  #fail(queued: QueuedPod, profile: Profile, failure: Failure, plugins: ReadonlySet<string>, startMs: number): void {
    const isError = failure.reason === 'SchedulerError'
    const seconds = (performance.now() - startMs) / 1_000
    this.#metrics.attempt(isError ? 'error' : 'unschedulable', profile.schedulerName, seconds)
    const { uid } = queued.info.pod.metadata
    const pod = this.#latest(queued.info.pod)
    if (!pod) {
      this.#queue.done(uid)
      return
    }
    if (isError) this.#queue.retry(queued, pod)
    else this.#queue.failed(queued, pod, plugins)
    if (failure.nominatedNodeName !== undefined) this.#nominator.set(queued.info, failure.nominatedNodeName)
    const { client } = this.#options
    void reportFailure(pod, failure, { client, events: this.#recorder(profile), ...this.#context })
  }

  #attemptFailed(queued: QueuedPod, profile: Profile, error: unknown, startMs: number): void {
    const { pod } = queued.info
    if (this.#context.signal.aborted) return
    this.#context.log.error('could not schedule a pod', error, { pod: keyOf(pod) })
    const message = error instanceof Error ? error.message : String(error)
    this.#fail(queued, profile, { reason: 'SchedulerError', message }, new Set(), startMs)
  }

  async #bind(queued: QueuedPod, profile: Profile, { nodeName, cycle }: Found, startMs: number): Promise<void> {
    const { signal, log, clock } = this.#context
    const { pod } = queued.info
    const { name, namespace, uid } = pod.metadata
    this.#binding.add(uid)
    try {
      await this.#preBind(pod, profile, cycle, nodeName)
      this.#queue.done(uid)
      await this.#write(queued, profile, nodeName)
      this.#cache.finishBinding(uid)
      this.#metrics.attempt('scheduled', profile.schedulerName, (performance.now() - startMs) / 1_000)
      this.#metrics.scheduled(queued.attempts, (clock.now() - queued.addedMs) / 1_000)
      this.#recorder(profile).record(pod, {
        type: 'Normal',
        reason: 'Scheduled',
        action: 'Binding',
        message: `Successfully assigned ${namespace}/${name} to ${nodeName}`,
      })
    } catch (error) {
      if (signal.aborted) return
      this.#binding.delete(uid)
      this.#unreserve(profile, cycle)
      const wanting = this.#latest(pod)
      // Another scheduler was faster, or the binding arrived and its answer did not.
      if (this.#options.informers.for(pods).get(keyOf(pod))?.spec.nodeName) return this.#queue.done(uid)
      this.#cache.forget(uid)
      // Its place is free for others.
      const before = { ...pod, spec: { ...pod.spec, nodeName } }
      this.#queue.moved({ resource: 'Pod', actions: DELETE, before })
      if (!wanting || isNotFound(error)) return this.#queue.done(uid)
      if (!isConflict(error)) log.error('could not bind a pod', error, { pod: keyOf(pod), node: nodeName })
      const message = error instanceof Error ? error.message : String(error)
      this.#fail(queued, profile, { reason: 'SchedulerError', message }, new Set(), startMs)
    } finally {
      this.#binding.delete(uid)
    }
  }

  /** Volumes and devices first; the pod says meanwhile where it will be. */
  async #preBind(pod: Pod, profile: Profile, cycle: FilterCycle, nodeName: string): Promise<void> {
    const { signal } = this.#context
    const needed = profile.points.preBind.filter((plugin) => cycle.prepared(plugin.name)?.needsPreBind?.(nodeName))
    if (needed.length === 0) return
    const { namespace, name } = pod.metadata
    const at = { namespace, name, subresource: 'status' as const, signal, type: 'application/merge-patch+json' as const }
    await this.#options.client.patch(pods, at, { status: { nominatedNodeName: nodeName } }).catch((error: unknown) => {
      if (isNotFound(error)) throw error
    })
    for (const plugin of needed) await cycle.prepared(plugin.name)?.preBind?.(nodeName, signal)
  }

  async #write({ info }: QueuedPod, profile: Profile, nodeName: string): Promise<void> {
    this.#writing++
    try {
      const byExtender = this.#extenders?.binder(info)
      if (byExtender) await byExtender(info.pod, nodeName)
      else await profile.points.bind[0]?.bind?.(info.pod, nodeName, this.#context.signal)
    } finally {
      this.#writing--
      this.#bindingDone?.resolve()
      this.#bindingDone = undefined
    }
  }
}
