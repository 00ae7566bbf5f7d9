/** What controllers may count in the statuses of workloads. */
import { checkConditions } from './conditions.ts'
import { invalid } from './fieldErrors.ts'
import { checkNotNegative } from './values.ts'
import type { DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../kinds/apps/v1.ts'
import type { HorizontalPodAutoscaler } from '../kinds/autoscaling/v2.ts'
import type { ReplicationController } from '../kinds/core/v1.ts'
import type { PodDisruptionBudget } from '../kinds/policy/v1.ts'
import type { FieldError } from '../status.ts'

type Counts = Readonly<Record<string, number | undefined>>

interface Rules {
  /** None may be negative. */
  counts: readonly string[]
  /** None of these may be more than there are replicas. */
  parts: readonly string[]
  /** What nothing that is available can be without, as the message calls it. */
  ready?: string
}

const REPLICAS: Rules = {
  counts: ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration', 'terminatingReplicas'],
  parts: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
  ready: 'readyReplicas',
}
const DEPLOYMENT: Rules = {
  counts: [
    'observedGeneration',
    'replicas',
    'updatedReplicas',
    'readyReplicas',
    'availableReplicas',
    'unavailableReplicas',
    'terminatingReplicas',
    'collisionCount',
  ],
  parts: ['updatedReplicas', 'readyReplicas', 'availableReplicas'],
  ready: 'readyReplicas',
}
const STATEFUL_SET: Rules = {
  counts: ['replicas', 'readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas', 'observedGeneration', 'collisionCount'],
  parts: ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'],
  ready: 'status.readyReplicas',
}
const DAEMON_SET: Rules = {
  counts: [
    'currentNumberScheduled',
    'numberMisscheduled',
    'desiredNumberScheduled',
    'numberReady',
    'observedGeneration',
    'updatedNumberScheduled',
    'numberAvailable',
    'numberUnavailable',
    'collisionCount',
  ],
  parts: [],
}

function checkCounts(errors: FieldError[], status: Counts, { counts, parts, ready }: Rules): void {
  const of = (field: string): number => status[field] ?? 0
  for (const field of counts) checkNotNegative(errors, `status.${field}`, status[field])
  for (const field of parts) {
    if (of(field) > of('replicas')) errors.push(invalid(`status.${field}`, of(field), 'cannot be greater than status.replicas'))
  }
  const available = of('availableReplicas')
  if (ready && available > of('readyReplicas'))
    errors.push(invalid('status.availableReplicas', available, `cannot be greater than ${ready}`))
}

function validator<T extends { status?: object }>(rules: Rules): (next: T, old: T) => FieldError[] {
  return (next, old) => {
    const errors: FieldError[] = []
    const [status, before] = [next.status ?? {}, old.status ?? {}] as [Counts, Counts]
    checkCounts(errors, status, rules)
    const { collisionCount: collisions = 0 } = status
    if (before['collisionCount'] !== undefined && (status['collisionCount'] === undefined || collisions < before['collisionCount']))
      errors.push(invalid('status.collisionCount', collisions, 'cannot be decremented'))
    return errors
  }
}

export const validateDeploymentStatusUpdate = validator<Deployment>(DEPLOYMENT)
export const validateStatefulSetStatusUpdate = validator<StatefulSet>(STATEFUL_SET)
export const validateDaemonSetStatusUpdate = validator<DaemonSet>(DAEMON_SET)
export const validateReplicaSetStatusUpdate = validator<ReplicaSet>(REPLICAS)
export const validateReplicationControllerStatusUpdate = validator<ReplicationController>(REPLICAS)
export const validateAutoscalerStatusUpdate = validator<HorizontalPodAutoscaler>({
  counts: ['currentReplicas', 'desiredReplicas'],
  parts: [],
})

const BUDGET_COUNTS = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const

export function validateDisruptionBudgetStatusUpdate({ status }: PodDisruptionBudget): FieldError[] {
  const errors: FieldError[] = []
  checkConditions(errors, status?.conditions, 'status.conditions')
  for (const field of BUDGET_COUNTS) checkNotNegative(errors, `status.${field}`, status?.[field])
  return errors
}
