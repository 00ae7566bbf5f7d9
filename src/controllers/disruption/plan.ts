/** How many pods of a disruption budget may be evicted now. No I/O. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { Condition } from '../../api/kinds/meta/v1.ts'
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../api/kinds/policy/v1.ts'
import { setCondition, timestamp } from '../../api/meta.ts'
import { hasFinished } from '../../api/pods.ts'
import { scaledValue } from '../intOrPercent.ts'
import { isReady } from '../podState.ts'

/** An eviction that was granted but has not shown in the pod after this time counts as not made. */
const DISRUPTION_TIMEOUT_MS = 2 * 60_000

/** Replicas that the pods' controllers want together, and the pods without one; or why that cannot be told. */
export type ScaleOfPods = { replicas: number; unmanaged: readonly string[] } | { problem: string }

/** Whether the budget is a share of what the controllers want. */
export const countsScale = ({ spec: { minAvailable, maxUnavailable } }: PodDisruptionBudget): boolean =>
  maxUnavailable !== undefined || typeof minAvailable === 'string'

export interface BudgetInput {
  budget: PodDisruptionBudget
  /** Those that it selects. */
  pods: readonly Pod[]
  scale: ScaleOfPods
  nowMs: number
}

export interface BudgetPlan {
  status: PodDisruptionBudgetStatus
  recheckAfterMs?: number
}

function expectations({ budget, pods, scale }: BudgetInput): { expected: number; desired: number } | { problem: string } {
  const { minAvailable = 0, maxUnavailable } = budget.spec
  if (!countsScale(budget)) return { expected: pods.length, desired: Number(minAvailable) }
  if ('problem' in scale) return scale
  const expected = scale.replicas
  if (maxUnavailable === undefined) return { expected, desired: scaledValue(minAvailable, expected, 'up') }
  return { expected, desired: Math.max(0, expected - scaledValue(maxUnavailable, expected, 'up')) }
}

/** Evictions under way: granted, and the pod does not show it yet. */
function stillDisrupted({ budget, pods, nowMs }: BudgetInput): { disrupted: Record<string, string>; recheckAfterMs?: number } {
  const disrupted: Record<string, string> = {}
  let recheckAfterMs = Infinity
  for (const [name, since] of Object.entries(budget.status?.disruptedPods ?? {})) {
    const pod = pods.find((candidate) => candidate.metadata.name === name)
    const leftMs = Date.parse(since) + DISRUPTION_TIMEOUT_MS - nowMs
    if (!pod || pod.metadata.deletionTimestamp !== undefined || leftMs <= 0) continue
    disrupted[name] = since
    recheckAfterMs = Math.min(recheckAfterMs, leftMs)
  }
  return { disrupted, ...(Number.isFinite(recheckAfterMs) && { recheckAfterMs }) }
}

export function planBudget(input: BudgetInput): BudgetPlan {
  const { budget, pods, nowMs } = input
  const observedGeneration = budget.metadata.generation ?? 0
  const put = (status: 'True' | 'False', reason: string, message: string, of?: number): readonly Condition[] => {
    const condition = { type: 'DisruptionAllowed', status, reason, message, ...(of !== undefined && { observedGeneration: of }) }
    return setCondition(budget.status?.conditions, condition, timestamp(nowMs))
  }
  const wanted = expectations(input)
  if ('problem' in wanted) {
    // Of the generation that was last told of.
    const conditions = put('False', 'SyncFailed', wanted.problem, budget.status?.observedGeneration)
    return { status: { ...budget.status, disruptionsAllowed: 0, conditions: [...conditions] } }
  }
  const { disrupted, recheckAfterMs } = stillDisrupted(input)
  const live = pods.filter((pod) => !hasFinished(pod) && pod.metadata.deletionTimestamp === undefined)
  const healthy = live.filter((pod) => isReady(pod) && !(pod.metadata.name in disrupted)).length
  const allowed = wanted.expected > 0 ? Math.max(0, healthy - wanted.desired) : 0
  const conditions =
    allowed > 0 ? put('True', 'SufficientPods', '', observedGeneration) : put('False', 'InsufficientPods', '', observedGeneration)
  const status: PodDisruptionBudgetStatus = {
    disruptionsAllowed: allowed,
    currentHealthy: healthy,
    desiredHealthy: wanted.desired,
    expectedPods: wanted.expected,
    observedGeneration,
    ...(Object.keys(disrupted).length > 0 && { disruptedPods: disrupted }),
    conditions: [...conditions],
  }
  return { status, ...(recheckAfterMs !== undefined && { recheckAfterMs }) }
}
