/**
 * The horizontal pod autoscaler: follows the metrics of a target's pods, of other objects or of something outside the cluster
 * with the target's number of replicas (upstream's pkg/controller/podautoscaler). Every autoscaler is looked at once in a
 * period: its target's scale and its metrics are read, `plan.ts` decides, and the scale and the status are written.
 */
import { apiservices } from '../../api/kinds/apiregistration/v1.ts'
import { horizontalpodautoscalers, type HorizontalPodAutoscaler } from '../../api/kinds/autoscaling/v2.ts'
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { pods } from '../../api/kinds/core/v1.ts'
import { keyOf, type Resource } from '../../api/resource.ts'
import { isConflict } from '../../api/status.ts'
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
import { sampleReader } from './samples.ts'
import type { ScaleObject } from '../scales.ts'
import { scaleTargets, type ScaleTarget } from './scaleTarget.ts'

const NO_MEMORY: ScalingMemory = { recommendations: [], events: [] }

type Autoscaler = HorizontalPodAutoscaler

interface Look {
  spec: Autoscaler['spec']
  atMs: number
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export function horizontalPodAutoscalerController(context: ControllerContext, given: Partial<AutoscalerOptions> = {}): Controller {
  const options = { ...AUTOSCALER_DEFAULTS, ...given }
  const { client, informers, events, clock, log } = context
  const informer = informers.for(horizontalpodautoscalers)
  const memories = new Map<string, ScalingMemory>()
  const followed = new FollowedPods(informers.for(pods))
  const looks = new Map<string, Look>()
  const targets = scaleTargets(client, informers.for(customresourcedefinitions))
  const readSample = sampleReader({
    client,
    apiServices: informers.for(apiservices),
    resourceOf: (reference) => targets.resourcesOf(reference)[0] as Resource,
  })

  async function measure(autoscaler: Autoscaler, selector: string, signal: AbortSignal): Promise<Measured> {
    const { verdict, selected } = followed.check(keyOf(autoscaler), selector)
    if (!verdict.ok) return { selector: verdict, pods: [], samples: [] }
    const request = { namespace: autoscaler.metadata.namespace, selector, signal }
    const samples = await Promise.all(metricsOf(autoscaler).map((metric) => readSample(metric, request)))
    return { selector: verdict, pods: selected, samples }
  }

  async function observe(autoscaler: Autoscaler, { spec, status }: ScaleObject, signal: AbortSignal): Promise<Observation> {
    const scale = { specReplicas: spec?.replicas ?? 0, statusReplicas: status?.replicas ?? 0, selector: status?.selector ?? '' }
    const measured = needsMetrics(autoscaler, scale.specReplicas) ? await measure(autoscaler, scale.selector, signal) : undefined
    return { autoscaler, scale, measured, memory: memories.get(keyOf(autoscaler)) ?? NO_MEMORY, nowMs: clock.now() }
  }

  async function apply(plan: Plan, observation: Observation, target: ScaleTarget, signal: AbortSignal) {
    const { autoscaler, nowMs } = observation
    const key = keyOf(autoscaler)
    for (const { reason, message } of plan.warnings) events.record(autoscaler, { type: 'Warning', reason, message })
    if (!plan.rescale) {
      memories.set(key, remembered(observation, plan, false))
      return plan.status
    }
    const { replicas, reason } = plan.rescale
    try {
      await targets.write(target, replicas, signal)
    } catch (error) {
      signal.throwIfAborted()
      const cause = messageOf(error)
      const message = `New size: ${replicas}; reason: ${reason}; error: ${cause}`
      events.record(autoscaler, { type: 'Warning', reason: 'FailedRescale', message })
      memories.set(key, remembered(observation, plan, false))
      return failedRescale(autoscaler, plan, cause, nowMs)
    }
    memories.set(key, remembered(observation, plan, true))
    events.record(autoscaler, { type: 'Normal', reason: 'SuccessfulRescale', message: `New size: ${replicas}; reason: ${reason}` })
    return rescaled(plan, replicas, nowMs)
  }

  async function look(autoscaler: Autoscaler, signal: AbortSignal): Promise<Autoscaler['status']> {
    let target: ScaleTarget
    try {
      target = await targets.read(autoscaler, signal)
    } catch (error) {
      signal.throwIfAborted()
      const cause = messageOf(error)
      events.record(autoscaler, { type: 'Warning', reason: 'FailedGetScale', message: cause })
      const message = `the HPA controller was unable to get the target's current scale: ${cause}`
      const condition = { type: 'AbleToScale', status: 'False', reason: 'FailedGetScale', message }
      const conditions = [...put(autoscaler.status?.conditions ?? [], condition, clock.now())]
      return { desiredReplicas: 0, ...autoscaler.status, conditions }
    }
    const observation = await observe(autoscaler, target.scale, signal)
    return apply(planAutoscaler(observation, options), observation, target, signal)
  }

  function forget(key: string): void {
    for (const known of [memories, followed, looks]) known.delete(key)
  }

  return {
    name: 'horizontal-pod-autoscaler-controller',
    workers: options.concurrentSyncs,
    watches: [
      watch(horizontalpodautoscalers, (autoscaler) => [keyOf(autoscaler)]),
      watch(pods, () => []),
      watch(customresourcedefinitions, () => []),
      watch(apiservices, () => []),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const autoscaler = informer.get(key)
      if (!autoscaler) return forget(key)
      // A change of the status, its own ones among them, is no reason to look again before the period is over.
      const last = looks.get(key)
      const waitMs = last && semanticallyEqual(last.spec, autoscaler.spec) ? last.atMs + options.syncPeriodMs - clock.now() : 0
      if (waitMs > 0) return { requeueAfterMs: waitMs }
      looks.set(key, { spec: autoscaler.spec, atMs: clock.now() })
      try {
        const status = await look(autoscaler, signal)
        if (status && !semanticallyEqual(status, autoscaler.status))
          await client.update(horizontalpodautoscalers, { ...autoscaler, status }, { subresource: 'status', signal })
      } catch (error) {
        signal.throwIfAborted()
        // Metrics are read once in a period, whatever becomes of it.
        if (!isConflict(error)) events.record(autoscaler, { type: 'Warning', reason: 'FailedUpdateStatus', message: messageOf(error) })
        log.debug('an autoscaler could not be brought up to date', { key, cause: messageOf(error) })
      }
      return { requeueAfterMs: options.syncPeriodMs }
    },
  }
}
