/** The next step of a StatefulSet: in order and one at a time, unless its policy says otherwise. No I/O. */
import type { StatefulSet, StatefulSetStatus } from '../../api/kinds/apps/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { hasFinished } from '../../api/pods.ts'
import { REVISION_HASH } from '../history.ts'
import { scaledValue } from '../intOrPercent.ts'
import { isAvailable, isReady } from '../podState.ts'
import { ordinalOf } from './identity.ts'

export interface StatefulInput {
  set: StatefulSet
  /** All that it owns. */
  pods: readonly Pod[]
  /** Names of the revisions that pods are at, and go to. */
  currentRevision: string
  updateRevision: string
  nowMs: number
}

export interface StatefulPlan {
  create: { ordinal: number; revision: string }[]
  remove: Pod[]
  /** Ordinals beyond the wanted number. */
  condemned: ReadonlySet<number>
  status: StatefulSetStatus
}

const isLeaving = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined
const revisionOf = (pod: Pod): string => pod.metadata.labels?.[REVISION_HASH] ?? ''
const isRunningAndReady = (pod: Pod): boolean => pod.status?.phase === 'Running' && isReady(pod)

interface Slot {
  ordinal: number
  pod: Pod | undefined
}

function slots({ set, pods }: StatefulInput): { wanted: Slot[]; condemned: Slot[] } {
  const start = set.spec.ordinals?.start ?? 0
  const end = start + (set.spec.replicas ?? 1)
  const byOrdinal = new Map<number, Pod>()
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod.metadata.name)
    if (ordinal >= 0) byOrdinal.set(ordinal, pod)
  }
  const wanted = Array.from({ length: end - start }, (_, n) => ({ ordinal: start + n, pod: byOrdinal.get(start + n) }))
  const condemned = [...byOrdinal].filter(([ordinal]) => ordinal < start || ordinal >= end).sort(([a], [b]) => b - a)
  return { wanted, condemned: condemned.map(([ordinal, pod]) => ({ ordinal, pod })) }
}

/** Pods below the partition stay at the revision they had; with OnDelete each comes back at the newest. */
function revisionFor({ set, currentRevision, updateRevision }: StatefulInput, ordinal: number): string {
  const { type = 'RollingUpdate', rollingUpdate } = set.spec.updateStrategy ?? {}
  const start = set.spec.ordinals?.start ?? 0
  const keeps = type === 'RollingUpdate' ? (rollingUpdate?.partition ?? 0) : 0
  return ordinal < start + keeps ? currentRevision : updateRevision
}

function statusOf(input: StatefulInput): StatefulSetStatus {
  const { set, pods, currentRevision, updateRevision, nowMs } = input
  const live = pods.filter((pod) => ordinalOf(set, pod.metadata.name) >= 0)
  const settled = live.filter((pod) => !isLeaving(pod))
  const at = (revision: string): number => settled.filter((pod) => revisionOf(pod) === revision).length
  const status: StatefulSetStatus = {
    replicas: live.length,
    readyReplicas: live.filter(isRunningAndReady).length,
    availableReplicas: live.filter((pod) => isRunningAndReady(pod) && isAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs)).length,
    currentReplicas: at(currentRevision),
    updatedReplicas: at(updateRevision),
    currentRevision,
    updateRevision,
    collisionCount: set.status?.collisionCount ?? 0,
    ...(set.metadata.generation !== undefined && { observedGeneration: set.metadata.generation }),
    ...(set.status?.conditions && { conditions: set.status.conditions }),
  }
  const rolling = (set.spec.updateStrategy?.type ?? 'RollingUpdate') === 'RollingUpdate'
  if (
    rolling &&
    status.updatedReplicas === status.replicas &&
    status.readyReplicas === status.replicas &&
    status.replicas === (set.spec.replicas ?? 1)
  ) {
    status.currentRevision = updateRevision
    status.currentReplicas = status.updatedReplicas ?? 0
  }
  for (const count of ['readyReplicas', 'currentReplicas', 'updatedReplicas'] as const) if (status[count] === 0) delete status[count]
  return status
}

export function planStatefulSet(input: StatefulInput): StatefulPlan {
  const { set, nowMs } = input
  const { wanted, condemned } = slots(input)
  const status = statusOf(input)
  const plan: StatefulPlan = { create: [], remove: [], condemned: new Set(condemned.map((slot) => slot.ordinal)), status }
  if (set.metadata.deletionTimestamp !== undefined) return plan
  const inOrder = set.spec.podManagementPolicy !== 'Parallel'
  const healthy = (pod: Pod): boolean => isRunningAndReady(pod) && !isLeaving(pod) && isAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs)

  for (const { ordinal, pod } of wanted) {
    if (!pod) plan.create.push({ ordinal, revision: revisionFor(input, ordinal) })
    else if (hasFinished(pod) && !isLeaving(pod)) plan.remove.push(pod)
    else if (healthy(pod) || !inOrder) continue
    // In order, nothing happens behind one that is not there yet.
    if (inOrder) return plan
  }
  if (plan.create.length > 0 || plan.remove.length > 0) return plan

  const firstUnhealthy = [...wanted, ...condemned.toReversed()].find(({ pod }) => pod && !healthy(pod))
  for (const slot of condemned) {
    const { pod } = slot
    if (!pod) continue
    if (isLeaving(pod)) {
      if (inOrder) return plan
      continue
    }
    if (inOrder && !healthy(pod) && firstUnhealthy !== slot) return plan
    plan.remove.push(pod)
    if (inOrder) return plan
  }
  if (plan.remove.length === 0) plan.remove.push(...nextToUpdate(input, wanted, healthy))
  return plan
}

/** From the highest ordinal down to the partition; as many at a time as may be unavailable. */
function nextToUpdate({ set, updateRevision }: StatefulInput, wanted: readonly Slot[], healthy: (pod: Pod) => boolean): Pod[] {
  const { type = 'RollingUpdate', rollingUpdate } = set.spec.updateStrategy ?? {}
  if (type !== 'RollingUpdate') return []
  const limit = Math.max(1, scaledValue(rollingUpdate?.maxUnavailable ?? 1, set.spec.replicas ?? 1, 'up'))
  const partition = (set.spec.ordinals?.start ?? 0) + (rollingUpdate?.partition ?? 0)
  const inTurn = wanted.toReversed().filter(({ ordinal }) => ordinal >= partition)
  const isOld = (pod: Pod): boolean => !isLeaving(pod) && revisionOf(pod) !== updateRevision
  if (limit === 1) {
    // One after the other, each only when those above it are there again; what is amiss below must not keep a cure from it.
    const turn = inTurn.find(({ pod }) => !pod || isOld(pod) || !healthy(pod))?.pod
    return turn && isOld(turn) ? [turn] : []
  }
  let unavailable = wanted.filter(({ pod }) => !pod || !healthy(pod)).length
  let replacing = wanted.filter(({ pod }) => !pod || isLeaving(pod)).length
  const next: Pod[] = []
  for (const { pod } of inTurn) {
    if (replacing >= limit) break
    if (!pod || !isOld(pod)) continue
    // One that is unavailable already costs nothing.
    if (healthy(pod) && ++unavailable > limit) continue
    next.push(pod)
    replacing++
  }
  return next
}
