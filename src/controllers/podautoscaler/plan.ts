/** What is to become of an autoscaler and its target, from what was observed of them. No I/O. */
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
  MetricSpec,
  MetricStatus,
} from '../../api/kinds/autoscaling/v2.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { timestamp, withCondition } from '../../api/meta.ts'
import { quantityMilliValue } from '../../api/quantity.ts'
import { pace, withScaleEvent, type ScalingMemory } from './behavior.ts'
import { propose, type Failure, type Proposal } from './proposals.ts'
import type { CalculatorOptions, Tolerances } from './replicaCalculator.ts'
import type { Sample } from './samples.ts'

export interface AutoscalerOptions extends CalculatorOptions {
  /** How often each autoscaler is looked at. */
  syncPeriodMs: number
  downscaleStabilizationMs: number
  /** Share of the target within which nothing is done. */
  tolerance: number
  concurrentSyncs: number
}

export const AUTOSCALER_DEFAULTS: AutoscalerOptions = {
  syncPeriodMs: 15_000,
  downscaleStabilizationMs: 5 * 60_000,
  tolerance: 0.1,
  cpuInitializationMs: 5 * 60_000,
  initialReadinessDelayMs: 30_000,
  concurrentSyncs: 5,
}

/** The target's Scale. */
export interface TargetScale {
  specReplicas: number
  statusReplicas: number
  selector: string
}

/** A selector that the metrics of pods can be asked by, or why it cannot be used. */
export type SelectorVerdict = { ok: true } | { ok: false; event: string; reason: string; message: string; condition: string }

export interface Measured {
  selector: SelectorVerdict
  pods: readonly Pod[]
  /** One for each metric of the spec; none where the selector is of no use. */
  samples: readonly Sample[]
}

export interface Observation {
  autoscaler: HorizontalPodAutoscaler
  scale: TargetScale
  /** Undefined where the number of replicas alone decides (`needsMetrics`). */
  measured: Measured | undefined
  memory: ScalingMemory
  nowMs: number
}

export interface Warning {
  reason: string
  message: string
}

export interface Plan {
  status: HorizontalPodAutoscalerStatus
  /** Undefined: the target stays as it is. */
  rescale?: { replicas: number; reason: string }
  warnings: readonly Warning[]
  recommendations: ScalingMemory['recommendations']
}

type Conditions = readonly HorizontalPodAutoscalerCondition[]
type Condition = Omit<HorizontalPodAutoscalerCondition, 'lastTransitionTime'> & { reason: string; message: string }

/** The metrics of an autoscaler that names none: 80 % of the CPU that is asked for. */
export function metricsOf({ spec }: HorizontalPodAutoscaler): readonly MetricSpec[] {
  if (spec.metrics?.length) return spec.metrics
  return [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }]
}

const minOf = ({ spec }: HorizontalPodAutoscaler): number => spec.minReplicas ?? 1

/** False where the target is switched off, or outside the bounds of the spec. */
export function needsMetrics(autoscaler: HorizontalPodAutoscaler, currentReplicas: number): boolean {
  return currentReplicas > 0 && currentReplicas <= autoscaler.spec.maxReplicas && currentReplicas >= minOf(autoscaler)
}

export function put(conditions: Conditions, condition: Condition, nowMs: number): Conditions {
  return withCondition(conditions, condition, timestamp(nowMs))
}

function tolerancesOf({ spec }: HorizontalPodAutoscaler, tolerance: number): Tolerances {
  const own = (text: string | undefined): number => (text === undefined ? tolerance : quantityMilliValue(text) / 1_000)
  return { up: own(spec.behavior?.scaleUp?.tolerance), down: own(spec.behavior?.scaleDown?.tolerance) }
}

interface Wanted {
  /** Undefined: the metrics allow no decision. */
  best: Proposal | undefined
  statuses: MetricStatus[]
  scalingActive: Condition
  warnings: Warning[]
  /** The event of the whole computation, where it failed. */
  failed: string | undefined
}

const active = (status: 'True' | 'False', reason: string, message: string): Condition => ({
  type: 'ScalingActive',
  status,
  reason,
  message,
})

function fromMetrics({ autoscaler, scale, nowMs }: Observation, measured: Measured, options: AutoscalerOptions): Wanted {
  const { selector, pods, samples } = measured
  if (!selector.ok) {
    const { event, reason, message, condition } = selector
    return {
      best: undefined,
      statuses: [],
      scalingActive: active('False', reason, condition),
      warnings: [{ reason: event, message }],
      failed: message,
    }
  }
  const input = {
    pods,
    currentReplicas: scale.specReplicas,
    statusReplicas: scale.statusReplicas,
    tolerances: tolerancesOf(autoscaler, options.tolerance),
    cpuInitializationMs: options.cpuInitializationMs,
    initialReadinessDelayMs: options.initialReadinessDelayMs,
    namespace: autoscaler.metadata.namespace,
    nowMs,
  }
  const specs = metricsOf(autoscaler)
  const results = specs.map((spec, i) => propose(spec, samples[i] ?? { error: 'the metric was not asked for' }, input))
  const good = results.filter((result): result is Proposal => 'status' in result)
  const bad = results.filter((result): result is Failure => !('status' in result))
  const best = good.reduce<Proposal | undefined>(
    (most, each) => (!most || most.replicas === 0 || each.replicas > most.replicas ? each : most),
    undefined,
  )
  // What is not known keeps its place in the list.
  const statuses = results.map((result) => ('status' in result ? result.status : { type: '' }))
  const warnings = bad.map(({ reason, message }) => ({ reason, message }))
  const [first] = bad
  const failed = first && `invalid metrics (${bad.length} invalid out of ${specs.length}), first error is: ${first.whole}`
  // With part of the metrics unknown the rest may raise the number, never lower it.
  if (first && (!best || best.replicas < scale.specReplicas)) {
    const message = `the HPA was unable to compute the replica count: ${first.message}`
    return { best: undefined, statuses, scalingActive: active('False', first.reason, message), warnings, failed }
  }
  const message = `the HPA was able to successfully calculate a replica count from ${best?.name ?? ''}`
  return { best, statuses, scalingActive: active('True', 'ValidMetricFound', message), warnings, failed }
}

export function planAutoscaler(observation: Observation, options: AutoscalerOptions): Plan {
  const { autoscaler, scale, measured, nowMs } = observation
  const { spec } = autoscaler
  const current = scale.specReplicas
  const min = minOf(autoscaler)
  // What an autoscaler saw first stands for what was asked before.
  const known = observation.memory.recommendations
  const memory = { ...observation.memory, recommendations: known.length ? known : [{ replicas: current, atMs: nowMs }] }
  let conditions = put(
    autoscaler.status?.conditions ?? [],
    {
      type: 'AbleToScale',
      status: 'True',
      reason: 'SucceededGetScale',
      message: "the HPA controller was able to get the target's current scale",
    },
    nowMs,
  )
  const statusOf = (desiredReplicas: number, currentMetrics: MetricStatus[] = []): HorizontalPodAutoscalerStatus => ({
    currentReplicas: current,
    desiredReplicas,
    ...(autoscaler.status?.lastScaleTime && { lastScaleTime: autoscaler.status.lastScaleTime }),
    ...(currentMetrics.length && { currentMetrics }),
    conditions: [...conditions],
  })
  const { recommendations } = memory
  const bounded = (replicas: number, reason: string): Plan => ({
    status: statusOf(replicas),
    rescale: { replicas, reason },
    warnings: [],
    recommendations,
  })
  if (current === 0) {
    const message = 'scaling is disabled since the replica count of the target is zero'
    conditions = put(conditions, active('False', 'ScalingDisabled', message), nowMs)
    return { status: statusOf(0), warnings: [], recommendations }
  }
  if (current > spec.maxReplicas) return bounded(spec.maxReplicas, 'Current number of replicas above Spec.MaxReplicas')
  if (current < min || !measured) return bounded(min, 'Current number of replicas below Spec.MinReplicas')

  const { best, statuses, scalingActive, warnings, failed } = fromMetrics(observation, measured, options)
  conditions = put(conditions, scalingActive, nowMs)
  if (!best) {
    const whole = { reason: 'FailedComputeMetricsReplicas', message: failed ?? '' }
    return { status: statusOf(autoscaler.status?.desiredReplicas ?? 0, statuses), warnings: [...warnings, whole], recommendations }
  }
  const { downscaleStabilizationMs } = options
  const paced = pace(autoscaler, { current, desired: best.replicas, minReplicas: min, memory, nowMs, downscaleStabilizationMs })
  conditions = put(conditions, { type: 'AbleToScale', status: 'True', ...paced.stabilized }, nowMs)
  conditions = put(conditions, { type: 'ScalingLimited', status: paced.isLimited ? 'True' : 'False', ...paced.limited }, nowMs)
  const { replicas } = paced
  const reason = best.replicas > current ? `${best.name} above target` : best.replicas < current ? 'All metrics below target' : ''
  return {
    status: statusOf(replicas, statuses),
    ...(replicas !== current && { rescale: { replicas, reason } }),
    warnings,
    recommendations: paced.recommendations,
  }
}

/** The status once the target has been scaled. */
export function rescaled(plan: Plan, replicas: number, nowMs: number): HorizontalPodAutoscalerStatus {
  const message = `the HPA controller was able to update the target scale to ${replicas}`
  const condition = { type: 'AbleToScale', status: 'True', reason: 'SucceededRescale', message }
  return { ...plan.status, lastScaleTime: timestamp(nowMs), conditions: [...put(plan.status.conditions ?? [], condition, nowMs)] }
}

/** The status where the target could not be scaled; what was desired before still is. */
export function failedRescale(
  autoscaler: HorizontalPodAutoscaler,
  plan: Plan,
  cause: string,
  nowMs: number,
): HorizontalPodAutoscalerStatus {
  const message = `the HPA controller was unable to update the target scale: ${cause}`
  const condition = { type: 'AbleToScale', status: 'False', reason: 'FailedUpdateScale', message }
  return {
    ...plan.status,
    desiredReplicas: autoscaler.status?.desiredReplicas ?? 0,
    conditions: [...put(plan.status.conditions ?? [], condition, nowMs)],
  }
}

/** What is remembered after a look. */
export function remembered({ autoscaler, scale, memory, nowMs }: Observation, plan: Plan, isRescaled: boolean): ScalingMemory {
  const change = isRescaled && plan.rescale ? plan.rescale.replicas - scale.specReplicas : 0
  const events = change === 0 ? memory.events : withScaleEvent(autoscaler, memory.events, { change, atMs: nowMs })
  return { recommendations: plan.recommendations, events }
}
