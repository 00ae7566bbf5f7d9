/** How fast an autoscaler may follow its metrics: stabilization windows, policies, and the bounds of its spec. No I/O. */
import type { HorizontalPodAutoscaler, HPAScalingRules } from '../../api/kinds/autoscaling/v2.ts'

export interface Recommendation {
  replicas: number
  atMs: number
}

export interface ScaleEvent {
  /** Replicas added (positive) or taken away. */
  change: number
  atMs: number
}

/** What an autoscaler remembers between its looks; lost at a restart, as upstream's is. */
export interface ScalingMemory {
  recommendations: readonly Recommendation[]
  events: readonly ScaleEvent[]
}

type Rules = Required<Pick<HPAScalingRules, 'policies' | 'selectPolicy' | 'stabilizationWindowSeconds'>>

const DEFAULT_UP: Rules = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
}
const DEFAULT_DOWN = { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] }
/** Without a behavior a target may double, or come to this number, at once. */
const SCALE_UP_FACTOR = 2
const SCALE_UP_LEAST = 4

/** Reason and message of a condition. */
export interface Why {
  reason: string
  message: string
}

export interface Paced {
  replicas: number
  /** Of the AbleToScale condition. */
  stabilized: Why
  /** Of the ScalingLimited condition, which is true where `isLimited`. */
  limited: Why
  isLimited: boolean
  recommendations: readonly Recommendation[]
}

const READY: Why = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' }
const HELD_UP: Why = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
}
const HELD_DOWN: Why = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
}
const WITHIN: Why = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' }
const UP_LIMIT: Why = {
  reason: 'ScaleUpLimit',
  message: 'the desired replica count is increasing faster than the maximum scale rate',
}
const DOWN_LIMIT: Why = {
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
}
const TOO_MANY: Why = { reason: 'TooManyReplicas', message: 'the desired replica count is more than the maximum replica count' }
const TOO_FEW: Why = { reason: 'TooFewReplicas', message: 'the desired replica count is less than the minimum replica count' }

export interface PaceInput {
  current: number
  desired: number
  minReplicas: number
  memory: ScalingMemory
  nowMs: number
  /** The window for going down where the spec names none. */
  downscaleStabilizationMs: number
}

type Limit = [replicas: number, why: Why]

function withoutBehavior({ current, desired, minReplicas, memory, nowMs, downscaleStabilizationMs }: PaceInput, max: number): Paced {
  const recent = memory.recommendations.filter(({ atMs }) => atMs >= nowMs - downscaleStabilizationMs)
  const steady = Math.max(desired, ...recent.map(({ replicas }) => replicas))
  const rate = Math.max(SCALE_UP_FACTOR * current, SCALE_UP_LEAST)
  const [replicas, limited]: Limit =
    steady < minReplicas
      ? [minReplicas, TOO_FEW]
      : steady > Math.min(rate, max)
        ? max > rate
          ? [rate, UP_LIMIT]
          : [max, TOO_MANY]
        : [steady, WITHIN]
  const recommendations = [...recent, { replicas: desired, atMs: nowMs }]
  return { replicas, stabilized: steady === desired ? READY : HELD_UP, limited, isLimited: replicas !== steady, recommendations }
}

/** The farthest that the policies let the number go; `direction` is 1 for up, -1 for down. */
function limitOf(rules: Rules, direction: 1 | -1, { current, memory, nowMs }: PaceInput): number {
  if (rules.selectPolicy === 'Disabled') return current
  const limits = rules.policies.map(({ type, value, periodSeconds }) => {
    const recent = memory.events.filter(({ atMs }) => atMs > nowMs - periodSeconds * 1_000)
    const start = current - recent.reduce((total, { change }) => total + change, 0)
    if (type === 'Pods') return start + direction * value
    return direction > 0 ? Math.ceil(start * (1 + value / 100)) : Math.trunc(start * (1 - value / 100))
  })
  const farthest = rules.selectPolicy === 'Min' ? -direction : direction
  return farthest > 0 ? Math.max(...limits) : Math.min(...limits)
}

function limited(input: PaceInput, steady: number, up: Rules, down: Rules, max: number): Limit {
  const { current, minReplicas } = input
  if (steady > current) {
    const rate = Math.max(current, limitOf(up, 1, input))
    if (steady > Math.min(max, rate)) return max > rate ? [rate, UP_LIMIT] : [max, TOO_MANY]
  } else if (steady < current) {
    const rate = Math.min(current, limitOf(down, -1, input))
    if (steady < Math.max(minReplicas, rate)) return minReplicas < rate ? [rate, DOWN_LIMIT] : [minReplicas, TOO_FEW]
  }
  return [steady, WITHIN]
}

export function pace({ spec }: HorizontalPodAutoscaler, input: PaceInput): Paced {
  if (!spec.behavior) return withoutBehavior(input, spec.maxReplicas)
  const { current, desired, memory, nowMs, downscaleStabilizationMs } = input
  const up: Rules = { ...DEFAULT_UP, ...spec.behavior.scaleUp }
  const down: Rules = { ...DEFAULT_DOWN, stabilizationWindowSeconds: downscaleStabilizationMs / 1_000, ...spec.behavior.scaleDown }
  const since = (seconds: number): readonly Recommendation[] => memory.recommendations.filter(({ atMs }) => atMs > nowMs - seconds * 1_000)
  const lowest = Math.min(desired, ...since(up.stabilizationWindowSeconds).map(({ replicas }) => replicas))
  const highest = Math.max(desired, ...since(down.stabilizationWindowSeconds).map(({ replicas }) => replicas))
  const steady = Math.min(Math.max(current, lowest), highest)
  const [replicas, why] = limited(input, steady, up, down, spec.maxReplicas)
  const kept = since(Math.max(up.stabilizationWindowSeconds, down.stabilizationWindowSeconds))
  return {
    replicas,
    stabilized: steady === desired ? READY : desired >= current ? HELD_DOWN : HELD_UP,
    limited: why,
    isLimited: replicas !== steady,
    recommendations: [...kept, { replicas: desired, atMs: nowMs }],
  }
}

/** The events with one more; those that no policy looks back to are left out, all of them where there is no behavior. */
export function withScaleEvent({ spec }: HorizontalPodAutoscaler, events: readonly ScaleEvent[], event: ScaleEvent): ScaleEvent[] {
  if (!spec.behavior) return []
  const policies = [
    spec.behavior.scaleUp?.policies ?? DEFAULT_UP.policies,
    spec.behavior.scaleDown?.policies ?? DEFAULT_DOWN.policies,
  ].flat()
  const longestMs = Math.max(...policies.map(({ periodSeconds }) => periodSeconds)) * 1_000
  return [...events.filter(({ atMs }) => atMs > event.atMs - longestMs), event]
}
