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

const DEFAULT_UP: Required<Pick<HPAScalingRules, 'policies' | 'selectPolicy' | 'stabilizationWindowSeconds'>> = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
}
const DEFAULT_DOWN: typeof DEFAULT_UP = {
  stabilizationWindowSeconds: 300,
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
}
const LONGEST_WINDOW_MS = 60 * 60_000

function stabilized(
  desired: number,
  current: number,
  memory: ScalingMemory,
  up: typeof DEFAULT_UP,
  down: typeof DEFAULT_UP,
  nowMs: number,
): number {
  const within = (rules: typeof DEFAULT_UP): number[] =>
    memory.recommendations.filter(({ atMs }) => atMs > nowMs - rules.stabilizationWindowSeconds * 1_000).map(({ replicas }) => replicas)
  const lowest = Math.min(desired, ...within(up))
  const highest = Math.max(desired, ...within(down))
  if (current < lowest) return lowest
  return current > highest ? highest : current
}

/** The farthest that the policies let the number go; `direction` is 1 for up, -1 for down. */
function limitOf(rules: typeof DEFAULT_UP, current: number, memory: ScalingMemory, direction: 1 | -1, nowMs: number): number {
  if (rules.selectPolicy === 'Disabled') return current
  const limits = (rules.policies ?? []).map(({ type, value, periodSeconds }) => {
    const recent = memory.events.filter(({ atMs, change }) => atMs > nowMs - periodSeconds * 1_000 && Math.sign(change) === direction)
    const start = current - recent.reduce((sum, { change }) => sum + change, 0)
    if (type === 'Pods') return start + direction * value
    return direction > 0 ? Math.ceil(start * (1 + value / 100)) : Math.floor(start * (1 - value / 100))
  })
  const farthest = rules.selectPolicy === 'Max' ? direction : -direction
  return farthest > 0 ? Math.max(...limits) : Math.min(...limits)
}

export interface Paced {
  replicas: number
  /** Why it is not what the metrics ask for; the reason of the ScalingLimited condition. */
  limitedBy: 'DesiredWithinRange' | 'ScaleUpLimit' | 'ScaleDownLimit' | 'TooManyReplicas' | 'TooFewReplicas'
  /** Why it was or was not held back; the reason of the AbleToScale condition. */
  stabilization: 'ReadyForNewScale' | 'ScaleDownStabilized' | 'ScaleUpStabilized'
  memory: ScalingMemory
}

export function pace({ spec }: HorizontalPodAutoscaler, current: number, desired: number, memory: ScalingMemory, nowMs: number): Paced {
  const up = { ...DEFAULT_UP, ...spec.behavior?.scaleUp }
  const down = { ...DEFAULT_DOWN, ...spec.behavior?.scaleDown }
  const kept = {
    recommendations: [...memory.recommendations.filter(({ atMs }) => atMs > nowMs - LONGEST_WINDOW_MS), { replicas: desired, atMs: nowMs }],
    events: memory.events.filter(({ atMs }) => atMs > nowMs - LONGEST_WINDOW_MS),
  }
  const steady = stabilized(desired, current, memory, up, down, nowMs)
  const stabilization = steady === desired ? 'ReadyForNewScale' : desired < steady ? 'ScaleDownStabilized' : 'ScaleUpStabilized'
  const min = spec.minReplicas ?? 1
  const done = (replicas: number, limitedBy: Paced['limitedBy']): Paced => ({ replicas, limitedBy, stabilization, memory: kept })
  if (steady > current) {
    const limit = Math.max(current, limitOf(up, current, kept, 1, nowMs))
    if (Math.min(limit, spec.maxReplicas) >= steady) return done(steady, 'DesiredWithinRange')
    return limit < spec.maxReplicas ? done(limit, 'ScaleUpLimit') : done(spec.maxReplicas, 'TooManyReplicas')
  }
  if (steady < current) {
    const limit = Math.min(current, limitOf(down, current, kept, -1, nowMs))
    if (Math.max(limit, min) <= steady) return done(steady, 'DesiredWithinRange')
    return limit > min ? done(limit, 'ScaleDownLimit') : done(min, 'TooFewReplicas')
  }
  return done(steady, 'DesiredWithinRange')
}
