/** The status of a Deployment: counts from its ReplicaSets, and the conditions that `kubectl rollout status` waits for. */
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../api/kinds/apps/v1.ts'
import { findCondition, timestamp, withoutCondition } from '../../api/meta.ts'
import { fenceposts, replicasOf, totalStatus } from './replicaCounts.ts'

/** kubectl sends this where a user asked for no deadline. */
const NO_DEADLINE_SECONDS = 2 ** 31 - 1

export interface StatusPlan {
  status: DeploymentStatus
  /** When to look whether the rollout is late. */
  recheckAfterMs?: number
}

function condition(type: string, status: string, reason: string, message: string, nowMs: number): DeploymentCondition {
  return { type, status, lastUpdateTime: timestamp(nowMs), lastTransitionTime: timestamp(nowMs), reason, message }
}

/** Same status and reason is no news, whatever the message. */
function put(conditions: readonly DeploymentCondition[], next: DeploymentCondition): DeploymentCondition[] {
  const known = findCondition(conditions, next.type)
  if (known?.status === next.status && known.reason === next.reason) return [...conditions]
  const kept = known?.status === next.status && known.lastTransitionTime ? { lastTransitionTime: known.lastTransitionTime } : {}
  return [...withoutCondition(conditions, next.type), { ...next, ...kept }]
}

function hasDeadline(deployment: Deployment): boolean {
  const { progressDeadlineSeconds } = deployment.spec
  return progressDeadlineSeconds !== undefined && progressDeadlineSeconds !== NO_DEADLINE_SECONDS
}

function counts(deployment: Deployment, all: readonly ReplicaSet[], current: ReplicaSet | undefined): DeploymentStatus {
  const replicas = totalStatus(all, 'replicas')
  const available = totalStatus(all, 'availableReplicas')
  const unavailable = Math.max(0, all.reduce((sum, rs) => sum + replicasOf(rs), 0) - available)
  const ready = totalStatus(all, 'readyReplicas')
  const updated = current?.status?.replicas ?? 0
  const terminating = totalStatus(all, 'terminatingReplicas')
  const { collisionCount } = deployment.status ?? {}
  const reported = all.some((rs) => rs.status?.terminatingReplicas !== undefined) || all.length === 0
  return {
    ...(deployment.metadata.generation !== undefined && { observedGeneration: deployment.metadata.generation }),
    ...(replicas > 0 && { replicas }),
    ...(updated > 0 && { updatedReplicas: updated }),
    ...(ready > 0 && { readyReplicas: ready }),
    ...(available > 0 && { availableReplicas: available }),
    ...(unavailable > 0 && { unavailableReplicas: unavailable }),
    ...(reported && { terminatingReplicas: terminating }),
    ...(collisionCount !== undefined && { collisionCount }),
  }
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = replicasOf(deployment)
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  )
}

function hasProgressed(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus): number => (status.replicas ?? 0) - (status.updatedReplicas ?? 0)
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  )
}

/** Milliseconds left until the rollout counts as late; undefined when it cannot be late. */
function deadlineInMs(deployment: Deployment, progressing: DeploymentCondition | undefined, nowMs: number): number | undefined {
  if (!progressing || progressing.reason === 'NewReplicaSetAvailable') return undefined
  const sinceMs = Date.parse(progressing.lastUpdateTime ?? '') || nowMs
  return sinceMs + (deployment.spec.progressDeadlineSeconds ?? 0) * 1_000 - nowMs
}

function progressOf(
  deployment: Deployment,
  status: DeploymentStatus,
  conditions: readonly DeploymentCondition[],
  current: ReplicaSet | undefined,
  nowMs: number,
): DeploymentCondition[] {
  const subject = current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`
  const known = findCondition(conditions, 'Progressing')
  const finishedBefore = status.replicas === status.updatedReplicas && known?.reason === 'NewReplicaSetAvailable'
  if (finishedBefore) return [...conditions]
  if (isComplete(deployment, status)) {
    return put(conditions, condition('Progressing', 'True', 'NewReplicaSetAvailable', `${subject} has successfully progressed.`, nowMs))
  }
  if (hasProgressed(deployment.status ?? {}, status)) {
    const next = condition('Progressing', 'True', 'ReplicaSetUpdated', `${subject} is progressing.`, nowMs)
    const kept = known?.status === 'True' && known.lastTransitionTime ? { lastTransitionTime: known.lastTransitionTime } : {}
    return [...withoutCondition(conditions, 'Progressing'), { ...next, ...kept }]
  }
  const leftMs = deadlineInMs(deployment, known, nowMs)
  if (known?.reason === 'ProgressDeadlineExceeded' || (leftMs !== undefined && leftMs < 0)) {
    return put(conditions, condition('Progressing', 'False', 'ProgressDeadlineExceeded', `${subject} has timed out progressing.`, nowMs))
  }
  return [...conditions]
}

function pausedCondition(deployment: Deployment, conditions: readonly DeploymentCondition[], nowMs: number): DeploymentCondition[] {
  const known = findCondition(conditions, 'Progressing')
  if (known?.reason === 'ProgressDeadlineExceeded') return [...conditions]
  const paused = known?.reason === 'DeploymentPaused'
  if (deployment.spec.paused && !paused)
    return put(conditions, condition('Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused', nowMs))
  if (!deployment.spec.paused && paused)
    return put(conditions, condition('Progressing', 'Unknown', 'DeploymentResumed', 'Deployment is resumed', nowMs))
  return [...conditions]
}

function newReplicaSetNews(
  conditions: readonly DeploymentCondition[],
  current: ReplicaSet | undefined,
  created: string | undefined,
  nowMs: number,
): DeploymentCondition[] {
  if (created)
    return put(conditions, condition('Progressing', 'True', 'NewReplicaSetCreated', `Created new replica set "${created}"`, nowMs))
  if (current && !findCondition(conditions, 'Progressing')) {
    return put(
      conditions,
      condition('Progressing', 'True', 'FoundNewReplicaSet', `Found new replica set "${current.metadata.name}"`, nowMs),
    )
  }
  return [...conditions]
}

export interface StatusInput {
  deployment: Deployment
  current: ReplicaSet | undefined
  old: readonly ReplicaSet[]
  /** Name of the ReplicaSet that is being created in this pass. */
  created?: string
  nowMs: number
}

export function planStatus({ deployment, current, old, created, nowMs }: StatusInput): StatusPlan {
  const all = current ? [...old, current] : old
  const status = counts(deployment, all, current)
  let conditions = [...(deployment.status?.conditions ?? [])]
  // In upstream's order: what happened to the rollout before what there is of it.
  const onTime = hasDeadline(deployment)
  if (onTime) conditions = pausedCondition(deployment, conditions, nowMs)
  if (onTime && !deployment.spec.paused) conditions = newReplicaSetNews(conditions, current, created, nowMs)
  const enough = (status.availableReplicas ?? 0) >= replicasOf(deployment) - fenceposts(deployment).maxUnavailable
  conditions = put(
    conditions,
    enough
      ? condition('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.', nowMs)
      : condition('Available', 'False', 'MinimumReplicasUnavailable', 'Deployment does not have minimum availability.', nowMs),
  )
  if (!onTime) conditions = withoutCondition(conditions, 'Progressing')
  else if (!deployment.spec.paused && !created) conditions = progressOf(deployment, status, conditions, current, nowMs)
  const failing = [current, ...old]
    .map((rs) => findCondition(rs?.status?.conditions, 'ReplicaFailure'))
    .find((found) => found !== undefined)
  conditions = failing
    ? put(conditions, condition('ReplicaFailure', failing.status, failing.reason ?? '', failing.message ?? '', nowMs))
    : withoutCondition(conditions, 'ReplicaFailure')
  return { status: { ...status, conditions }, ...recheck(deployment, status, conditions, nowMs) }
}

function recheck(
  deployment: Deployment,
  status: DeploymentStatus,
  conditions: readonly DeploymentCondition[],
  nowMs: number,
): { recheckAfterMs?: number } {
  const progressing = findCondition(conditions, 'Progressing')
  const settled = isComplete(deployment, status) || deployment.spec.paused || progressing?.reason === 'ProgressDeadlineExceeded'
  if (!hasDeadline(deployment) || settled) return {}
  const leftMs = deadlineInMs(deployment, progressing, nowMs)
  return leftMs === undefined ? {} : { recheckAfterMs: Math.max(0, leftMs) + 1_000 }
}
