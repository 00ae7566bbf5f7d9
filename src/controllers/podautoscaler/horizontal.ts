/**
 * The horizontal pod autoscaler: follows the metrics of a target's pods, of other objects or of something outside the cluster
 * with the target's number of replicas (upstream's pkg/controller/podautoscaler). Every autoscaler is looked at once in a
 * period: its target's scale and its metrics are read, `plan.ts` decides, and the scale and the status are written.
 */
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { apiservices } from '../../api/kinds/apiregistration/v1.ts'
import { horizontalpodautoscalers, type HorizontalPodAutoscaler } from '../../api/kinds/autoscaling/v2.ts'
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { pods } from '../../api/kinds/core/v1.ts'
import { keyOf, type Resource } from '../../api/resource.ts'
import { isConflict } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Informer } from '../../client/informer.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { semanticallyEqual } from '../hash.ts'
import type { ScalingMemory } from './behavior.ts'
import { FollowedPods } from './followedPods.ts'
import {
  AUTOSCALER_DEFAULTS,
  failedRescale,
  metricsOf,
  needsMetrics,
  planAutoscaler,
  put,
  remembered,
  rescaled,
  type AutoscalerOptions,
  type Measured,
  type Observation,
  type Plan,
} from './plan.ts'
import { sampleReader, type ReadSample } from './samples.ts'
import type { ScaleObject } from '../scales.ts'
import { scaleTargets, type ScaleTarget, type ScaleTargets } from './scaleTarget.ts'

const NO_MEMORY: ScalingMemory = { recommendations: [], events: [] }

type Autoscaler = HorizontalPodAutoscaler

interface Look {
  spec: Autoscaler['spec']
  atMs: number
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The status while the target's scale cannot be read. */
function withoutScale({ status }: Autoscaler, cause: string, nowMs: number): Autoscaler['status'] {
  const message = `the HPA controller was unable to get the target's current scale: ${cause}`
  const condition = { type: 'AbleToScale', status: 'False', reason: 'FailedGetScale', message }
  return { desiredReplicas: 0, ...status, conditions: [...put(status?.conditions ?? [], condition, nowMs)] }
}

class Autoscalers {
  readonly #client: Client
  readonly #events: EventRecorder
  readonly #clock: Clock
  readonly #log: Logger
  readonly #options: AutoscalerOptions
  readonly #autoscalers: Informer<Autoscaler>
  readonly #targets: ScaleTargets
  readonly #readSample: ReadSample
  readonly #followed: FollowedPods
  readonly #memories = new Map<string, ScalingMemory>()
  readonly #looks = new Map<string, Look>()

  constructor({ client, informers, events, clock, log }: ControllerContext, options: AutoscalerOptions) {
    this.#client = client
    this.#events = events
    this.#clock = clock
    this.#log = log
    this.#options = options
    this.#autoscalers = informers.for(horizontalpodautoscalers)
    this.#followed = new FollowedPods(informers.for(pods))
    this.#targets = scaleTargets(client, informers.for(customresourcedefinitions))
    this.#readSample = sampleReader({
      client,
      apiServices: informers.for(apiservices),
      resourceOf: (reference) => this.#targets.resourcesOf(reference)[0] as Resource,
    })
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const autoscaler = this.#autoscalers.get(key)
    if (!autoscaler) return this.#forget(key)
    const waitMs = this.#waitMs(key, autoscaler)
    if (waitMs > 0) return { requeueAfterMs: waitMs }
    this.#looks.set(key, { spec: autoscaler.spec, atMs: this.#clock.now() })
    try {
      const status = await this.#look(autoscaler, signal)
      if (status && !semanticallyEqual(status, autoscaler.status))
        await this.#client.update(horizontalpodautoscalers, { ...autoscaler, status }, { subresource: 'status', signal })
    } catch (error) {
      signal.throwIfAborted()
      // Metrics are read once in a period, whatever becomes of it.
      if (!isConflict(error)) this.#warn(autoscaler, 'FailedUpdateStatus', messageOf(error))
      this.#log.debug('an autoscaler could not be brought up to date', { key, cause: messageOf(error) })
    }
    return { requeueAfterMs: this.#options.syncPeriodMs }
  }

  /** A change of the status, its own ones among them, is no reason to look again before the period is over. */
  #waitMs(key: string, { spec }: Autoscaler): number {
    const last = this.#looks.get(key)
    return last && semanticallyEqual(last.spec, spec) ? last.atMs + this.#options.syncPeriodMs - this.#clock.now() : 0
  }

  async #look(autoscaler: Autoscaler, signal: AbortSignal): Promise<Autoscaler['status']> {
    let target: ScaleTarget
    try {
      target = await this.#targets.read(autoscaler, signal)
    } catch (error) {
      signal.throwIfAborted()
      this.#warn(autoscaler, 'FailedGetScale', messageOf(error))
      return withoutScale(autoscaler, messageOf(error), this.#clock.now())
    }
    const observation = await this.#observe(autoscaler, target.scale, signal)
    return this.#apply(planAutoscaler(observation, this.#options), observation, target, signal)
  }

  async #observe(autoscaler: Autoscaler, { spec, status }: ScaleObject, signal: AbortSignal): Promise<Observation> {
    const scale = { specReplicas: spec?.replicas ?? 0, statusReplicas: status?.replicas ?? 0, selector: status?.selector ?? '' }
    const measured = needsMetrics(autoscaler, scale.specReplicas) ? await this.#measure(autoscaler, scale.selector, signal) : undefined
    return { autoscaler, scale, measured, memory: this.#memories.get(keyOf(autoscaler)) ?? NO_MEMORY, nowMs: this.#clock.now() }
  }

  async #measure(autoscaler: Autoscaler, selector: string, signal: AbortSignal): Promise<Measured> {
    const { verdict, selected } = this.#followed.check(keyOf(autoscaler), selector)
    if (!verdict.ok) return { selector: verdict, pods: [], samples: [] }
    const request = { namespace: autoscaler.metadata.namespace, selector, signal }
    const samples = await Promise.all(metricsOf(autoscaler).map((metric) => this.#readSample(metric, request)))
    return { selector: verdict, pods: selected, samples }
  }

  /** Answers the status that comes of it. */
  async #apply(plan: Plan, observation: Observation, target: ScaleTarget, signal: AbortSignal): Promise<Autoscaler['status']> {
    const { autoscaler } = observation
    for (const { reason, message } of plan.warnings) this.#warn(autoscaler, reason, message)
    const failure = plan.rescale && (await this.#rescale(autoscaler, plan.rescale, target, signal))
    const isDone = plan.rescale !== undefined && failure === undefined
    this.#memories.set(keyOf(autoscaler), remembered(observation, plan, isDone))
    if (failure !== undefined) return failedRescale(autoscaler, plan, failure, observation.nowMs)
    return plan.rescale ? rescaled(plan, plan.rescale.replicas, observation.nowMs) : plan.status
  }

  /** Answers what went wrong, if something did. */
  async #rescale(
    autoscaler: Autoscaler,
    { replicas, reason }: NonNullable<Plan['rescale']>,
    target: ScaleTarget,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    try {
      await this.#targets.write(target, replicas, signal)
    } catch (error) {
      signal.throwIfAborted()
      this.#warn(autoscaler, 'FailedRescale', `New size: ${replicas}; reason: ${reason}; error: ${messageOf(error)}`)
      return messageOf(error)
    }
    this.#events.record(autoscaler, { type: 'Normal', reason: 'SuccessfulRescale', message: `New size: ${replicas}; reason: ${reason}` })
    return undefined
  }

  #warn(autoscaler: Autoscaler, reason: string, message: string): void {
    this.#events.record(autoscaler, { type: 'Warning', reason, message })
  }

  #forget(key: string): void {
    for (const known of [this.#memories, this.#followed, this.#looks]) known.delete(key)
  }
}

export function horizontalPodAutoscalerController(context: ControllerContext, given: Partial<AutoscalerOptions> = {}): Controller {
  const options = { ...AUTOSCALER_DEFAULTS, ...given }
  const autoscalers = new Autoscalers(context, options)
  return {
    name: 'horizontal-pod-autoscaler-controller',
    workers: options.concurrentSyncs,
    watches: [
      watch(horizontalpodautoscalers, (autoscaler) => [keyOf(autoscaler)]),
      watch(pods, () => []),
      watch(customresourcedefinitions, () => []),
      watch(apiservices, () => []),
    ],
    reconcile: (key, signal) => autoscalers.reconcile(key, signal),
  }
}
