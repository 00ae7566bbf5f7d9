/**
 * The scheduler: gives each pod without a node the best node that fits (kube-scheduler's contract: the Binding subresource,
 * the PodScheduled condition, its events). One pod at a time is decided; binding runs beside the next decisions.
 */
import type { ComponentContext } from '../base/component.ts'
import { namespaces, nodes, pods, type Pod } from '../api/kinds/core/v1.ts'
import { poddisruptionbudgets } from '../api/kinds/policy/v1.ts'
import { keyOf, type KubeObject, type Resource } from '../api/resource.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import { Bindings, unreserve } from './binding.ts'
import { SchedulerCache } from './cache.ts'
import { EVENT_RESOURCES, followCluster } from './clusterChanges.ts'
import { readSchedulerConfiguration, type SchedulerConfiguration } from './configuration/configuration.ts'
import type { Diagnosis } from './cycle.ts'
import { createExtenders, resourcesIgnoredByScheduler, type HttpExtenders } from './extender.ts'
import { AttemptFailures } from './failures.ts'
import { FITS, type PostFilterResult } from './framework.ts'
import { LocalVerdicts } from './localVerdicts.ts'
import { SchedulerMetrics } from './metrics.ts'
import { Nominator } from './nominator.ts'
import type { SchedulerParts } from './parts.ts'
import { SELECTING } from './plugins/defaultSelector.ts'
import { createPlugin, type PluginHandle } from './plugins/registry.ts'
import { askPostFilters } from './postFilter.ts'
import { buildProfile, type Profile } from './profile.ts'
import { SchedulingQueue, type QueuedPod } from './queue.ts'
import { describeFailure, schedulePod, type Decision, type NotFound } from './schedulePod.ts'

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

const WATCHED: readonly Resource<KubeObject>[] = [namespaces, nodes, pods, poddisruptionbudgets, ...SELECTING] as Resource[]

/** Decisions in a row before others get their turn. */
const BURST_MS = 10
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

type Configured = Pick<SchedulerParts, 'cache' | 'extenders' | 'nominator'> & { profiles: ReadonlyMap<string, Profile> }

class Scheduler {
  readonly #context: ComponentContext
  readonly #parts: SchedulerParts
  readonly #failures: AttemptFailures
  readonly #bindings: Bindings
  readonly #known = new LocalVerdicts()
  readonly #random: () => number
  #nextIndex = 0

  constructor(options: SchedulerOptions, context: ComponentContext) {
    const { client, informers } = options
    this.#context = context
    this.#random = options.random ?? Math.random
    const configuration = options.configuration ?? readSchedulerConfiguration()
    const configured = this.#configure(configuration, options)
    const { profiles } = configured
    const profileOf = (pod: Pod): Profile | undefined => profiles.get(pod.spec.schedulerName ?? '')
    const queue = this.#newQueue(configuration, profiles, profileOf)
    const metrics = new SchedulerMetrics({
      queue: () => queue.lengths,
      cache: () => configured.cache.sizes,
      refusedByPlugin: () => queue.refusedByPlugin(),
      inFlightEvents: () => queue.inFlightEvents,
    })
    this.#parts = { ...configured, client, informers, context, queue, metrics, profileOf, recorderOf: recordersOf(options) }
    this.#failures = new AttemptFailures(this.#parts)
    this.#bindings = new Bindings(this.#parts, this.#failures)
    options.onMetrics?.(metrics)
  }

  #configure(configuration: SchedulerConfiguration, { client, informers, events }: SchedulerOptions): Configured {
    const { clock, log, signal } = this.#context
    const cache = new SchedulerCache(clock)
    const nominator = new Nominator()
    const extenders: HttpExtenders | undefined = createExtenders({ configurations: configuration.extenders, view: cache, log, signal })
    const handle: PluginHandle = {
      client,
      informers,
      events,
      clock,
      log,
      signal,
      nominator,
      random: this.#random,
      activate: (uid) => this.#parts.queue.activate(uid),
      ungate: (uid) => this.#parts.queue.ungate(uid),
      ignoredResources: resourcesIgnoredByScheduler(configuration.extenders),
      observedPreemption: (what) => this.#parts.metrics.preemption(what),
      ...(extenders?.hasPreemption && { processPreemption: extenders.processPreemption }),
    }
    const profiles = configuration.profiles.map(
      (profile) =>
        [
          profile.schedulerName,
          buildProfile(profile, (name) => createPlugin(name, profile.args, handle), configuration.percentageOfNodesToScore),
        ] as const,
    )
    return { cache, nominator, extenders, profiles: new Map(profiles) }
  }

  #newQueue(
    { podInitialBackoffMs, podMaxBackoffMs }: SchedulerConfiguration,
    profiles: ReadonlyMap<string, Profile>,
    profileOf: SchedulerParts['profileOf'],
  ): SchedulingQueue {
    const [first] = profiles.values()
    const hints = first?.hints ?? new Map()
    return new SchedulingQueue({
      clock: this.#context.clock,
      initialBackoffMs: podInitialBackoffMs,
      maxBackoffMs: podMaxBackoffMs,
      hooks: {
        isBefore: first?.points.queueSort.isBefore ?? (() => false),
        gate: (pod) => gateOf(pod, profileOf(pod)),
        hints: (pod) => profileOf(pod)?.hints ?? hints,
        incoming: (queue, event) => this.#parts.metrics.incoming(queue, event),
        flushed: () => this.#parts.metrics.flushed(),
      },
    })
  }

  observe(): () => void {
    const { queue, cache } = this.#parts
    const stops = [queue.start(), followCluster(this.#parts, (uid) => this.#bindings.has(uid))]
    let cancel = (): void => {}
    const expire = (): void => {
      cache.expire()
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
      const queued = await this.#parts.queue.next(signal)
      if (!queued) return
      const pending = this.#scheduleOne(queued)
      if (pending) await pending
      const { congestion } = this.#bindings
      if (congestion) await congestion
      if (performance.now() - burstStartMs < BURST_MS) continue
      await new Promise((resolve) => setImmediate(resolve))
      burstStartMs = performance.now()
    }
  }

  /** Answers nothing where the decision is made at once. */
  #scheduleOne(queued: QueuedPod): Promise<void> | undefined {
    const { profileOf, queue, cache, nominator, extenders } = this.#parts
    const profile = profileOf(queued.info.pod)
    if (!profile) {
      queue.done(queued.info.pod.metadata.uid)
      return undefined
    }
    const startMs = performance.now()
    let decision: Decision | Promise<Decision>
    try {
      decision = schedulePod({
        info: queued.info,
        view: cache,
        points: profile.points,
        nominator,
        known: this.#known,
        startIndex: this.#nextIndex,
        percentageOfNodesToScore: profile.percentageOfNodesToScore,
        pick: (count) => Math.floor(this.#random() * count),
        ...(extenders && { extenders }),
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
    const { metrics, nominator, cache } = this.#parts
    this.#nextIndex = decision.nextIndex
    metrics.algorithm((performance.now() - startMs) / 1_000)
    if (!('nodeName' in decision)) return this.#unschedulable(queued, profile, decision, startMs)
    const { nodeName, cycle } = decision
    for (const plugin of profile.points.reserve) {
      const verdict = cycle.prepared(plugin.name)?.reserve?.(nodeName) ?? FITS
      if (verdict.fits) continue
      unreserve(profile, cycle)
      const refusals = new Map([[nodeName, { ...verdict, plugin: plugin.name }]])
      const diagnosis: Diagnosis = { refusals, plugins: new Set([plugin.name]) }
      const failure = { message: describeFailure(1, diagnosis), plugins: diagnosis.plugins, nominatedNodeName: '' }
      this.#failures.unschedulable(queued, profile, failure, startMs)
      return undefined
    }
    nominator.delete(queued.info.pod.metadata.uid)
    cache.assume(queued.info, nodeName)
    void this.#bindings.bind(queued, profile, decision, startMs)
    return undefined
  }

  #unschedulable(queued: QueuedPod, profile: Profile, decision: NotFound, startMs: number): Promise<void> | undefined {
    const { cache } = this.#parts
    const { plugins } = decision.diagnosis
    const count = cache.nodes.length
    if (count === 0) {
      const message = 'no nodes available to schedule pods'
      this.#failures.unschedulable(queued, profile, { message, plugins, nominatedNodeName: '' }, startMs)
      return undefined
    }
    const finish = ({ nominatedNodeName, message }: PostFilterResult): void => {
      const text = describeFailure(count, decision.diagnosis, message)
      this.#failures.unschedulable(
        queued,
        profile,
        { message: text, plugins, ...(nominatedNodeName !== undefined && { nominatedNodeName }) },
        startMs,
      )
    }
    const { postFilter } = profile.points
    const result = postFilter.length > 0 ? askPostFilters(queued.info, cache, postFilter, decision) : { nominatedNodeName: '' }
    if (result instanceof Promise) return result.then(finish)
    finish(result)
    return undefined
  }

  #attemptFailed(queued: QueuedPod, profile: Profile, error: unknown, startMs: number): void {
    const { signal, log } = this.#context
    if (signal.aborted) return
    log.error('could not schedule a pod', error, { pod: keyOf(queued.info.pod) })
    this.#failures.error(queued, profile, error, startMs)
  }
}

/** Who tells events in the name of each profile. */
function recordersOf({ recorderFor, events }: SchedulerOptions): SchedulerParts['recorderOf'] {
  const recorders = new Map<string, EventRecorder>()
  return ({ schedulerName }) => {
    let recorder = recorders.get(schedulerName)
    if (!recorder) recorders.set(schedulerName, (recorder = recorderFor?.(schedulerName) ?? events))
    return recorder
  }
}

/** The plugin that keeps a pod from being tried at all. */
function gateOf(pod: Pod, profile: Profile | undefined): { plugin: string; reason: string } | undefined {
  for (const plugin of profile?.points.preEnqueue ?? []) {
    const reason = plugin.preEnqueue?.(pod)
    if (reason !== undefined) return { plugin: plugin.name, reason }
  }
  return undefined
}
