/** How a ReplicaSet (or a ReplicationController) gets to its number of pods, and what it reports. No I/O. */
import type { ReplicaSetCondition, ReplicaSetStatus } from '../../api/kinds/apps/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { findCondition, timestamp, withCondition, withoutCondition } from '../../api/meta.ts'
import { selectsAll } from '../../api/selectors.ts'
import { availableInMs, isActive, isReady, isTerminating, readySinceMs } from '../podState.ts'

/** At most so many pods are created or deleted in one pass. */
export const BURST_REPLICAS = 500

export interface ReplicaPlan {
  create: number
  remove: Pod[]
}

/** What is known of a set. */
export interface Replicated {
  isLeaving: boolean
  generation: number | undefined
  /** How many it wants. */
  replicas: number
  minReadySeconds: number
  templateLabels: Readonly<Record<string, string>>
  status: ReplicaSetStatus | undefined
  /** All that it owns. */
  pods: readonly Pod[]
  /** The pods of related sets (of the same Deployment), which show how crowded each node is; asked for only where pods go. */
  neighbours(): readonly Pod[]
}

/** Why the last pods could not be made or removed. */
export interface Failure {
  creating: boolean
  message: string
}

/** A set that is leaving keeps the pods that it has: they go with it, or stay behind. */
export function planReplicas({ isLeaving, replicas, pods, neighbours }: Replicated): ReplicaPlan {
  if (isLeaving) return { create: 0, remove: [] }
  const active = pods.filter(isActive)
  const missing = replicas - active.length
  if (missing >= 0) return { create: Math.min(missing, BURST_REPLICAS), remove: [] }
  return { create: 0, remove: rankForDeletion(active, neighbours()).slice(0, Math.min(-missing, BURST_REPLICAS)) }
}

const PHASE_ORDER: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 }
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost'

function deletionCost(pod: Pod): number {
  const cost = Number(pod.metadata.annotations?.[DELETION_COST] ?? 0)
  return Number.isInteger(cost) ? cost : 0
}

function restarts(pod: Pod): number {
  return (pod.status?.containerStatuses ?? []).reduce((most, status) => Math.max(most, status.restartCount), 0)
}

/** The pods that are missed least come first. */
export function rankForDeletion(active: readonly Pod[], neighbours: readonly Pod[]): Pod[] {
  const onNode = new Map<string, number>()
  for (const pod of neighbours)
    if (isActive(pod) && pod.spec.nodeName) onNode.set(pod.spec.nodeName, (onNode.get(pod.spec.nodeName) ?? 0) + 1)
  const crowd = (pod: Pod): number => onNode.get(pod.spec.nodeName ?? '') ?? 0
  // Each criterion: what is smaller goes first.
  const criteria: ((pod: Pod) => number)[] = [
    (pod) => (pod.spec.nodeName ? 1 : 0),
    (pod) => PHASE_ORDER[pod.status?.phase ?? 'Pending'] ?? 0,
    (pod) => (isReady(pod) ? 1 : 0),
    deletionCost,
    (pod) => -crowd(pod),
    (pod) => -(readySinceMs(pod) ?? 0),
    (pod) => -restarts(pod),
    (pod) => -Date.parse(pod.metadata.creationTimestamp),
  ]
  return active.toSorted((a, b) => {
    for (const criterion of criteria) {
      const difference = criterion(a) - criterion(b)
      if (difference) return difference
    }
    return 0
  })
}

export interface ReplicaStatusPlan {
  status: ReplicaSetStatus
  /** When the next pod will have been ready long enough. */
  recheckAfterMs?: number
}

export function planReplicaStatus(of: Replicated, nowMs: number, failure?: Failure): ReplicaStatusPlan {
  const active = of.pods.filter(isActive)
  const waits = active.map((pod) => availableInMs(pod, of.minReadySeconds, nowMs)).filter((ms) => ms !== undefined)
  const waiting = waits.filter((ms) => ms > 0)
  const status: ReplicaSetStatus = {
    replicas: active.length,
    ...counted('fullyLabeledReplicas', active.filter((pod) => selectsAll(of.templateLabels, pod.metadata.labels)).length),
    ...counted('readyReplicas', waits.length),
    ...counted('availableReplicas', waits.length - waiting.length),
    terminatingReplicas: of.pods.filter(isTerminating).length,
    ...(of.generation !== undefined && { observedGeneration: of.generation }),
  }
  const conditions = failureConditions(of.status?.conditions, failure, nowMs)
  if (conditions.length > 0) status.conditions = conditions
  return { status, ...(waiting.length > 0 && { recheckAfterMs: Math.min(...waiting) }) }
}

/** Counts of zero are left out, as the API leaves them out. */
function counted<K extends string>(name: K, count: number): { [P in K]?: number } {
  return count > 0 ? ({ [name]: count } as { [P in K]: number }) : {}
}

function failureConditions(
  known: readonly ReplicaSetCondition[] | undefined,
  failure: Failure | undefined,
  nowMs: number,
): ReplicaSetCondition[] {
  if (!failure) return withoutCondition(known, 'ReplicaFailure')
  if (findCondition(known, 'ReplicaFailure')) return [...(known ?? [])]
  const reason = failure.creating ? 'FailedCreate' : 'FailedDelete'
  return [...withCondition(known, { type: 'ReplicaFailure', status: 'True', reason, message: failure.message }, timestamp(nowMs))]
}
