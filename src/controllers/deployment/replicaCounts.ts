/** How many replicas each ReplicaSet of a Deployment should have next: the arithmetic of rollouts and of scaling amid one. */
import type { Deployment, ReplicaSet } from '../../api/kinds/apps/v1.ts'
import { scaledValue } from '../intOrPercent.ts'

export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas'
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas'

export interface Resize {
  replicaSet: ReplicaSet
  replicas: number
}

export function replicasOf(object: { spec: { replicas?: number } }): number {
  return object.spec.replicas ?? 1
}

export function totalReplicas(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, rs) => sum + replicasOf(rs), 0)
}

export function totalStatus(
  replicaSets: readonly ReplicaSet[],
  field: 'replicas' | 'readyReplicas' | 'availableReplicas' | 'terminatingReplicas',
): number {
  return replicaSets.reduce((sum, rs) => sum + (rs.status?.[field] ?? 0), 0)
}

/** How far a rollout may go above and below the wanted number; zero both ways would never move, so one may be missing then. */
export function fenceposts(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  if (deployment.spec.strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: 0 }
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {}
  const replicas = replicasOf(deployment)
  const surge = scaledValue(maxSurge, replicas, 'up')
  const unavailable = scaledValue(maxUnavailable, replicas, 'down')
  if (surge === 0 && unavailable === 0) return { maxSurge: 0, maxUnavailable: 1 }
  return { maxSurge: surge, maxUnavailable: Math.min(unavailable, replicas) }
}

/** For a new ReplicaSet that has `current` replicas, among all that belong to the Deployment. */
export function newReplicas(deployment: Deployment, all: readonly ReplicaSet[], current: number): number {
  const wanted = replicasOf(deployment)
  if (deployment.spec.strategy?.type === 'Recreate' || current > wanted) return wanted
  const room = wanted + fenceposts(deployment).maxSurge - totalReplicas(all)
  return room <= 0 ? current : current + Math.min(room, wanted - current)
}

/** A ReplicaSet that was just given another size still reports pods that it is about to delete, or has deleted. */
export function isObserved(rs: ReplicaSet): boolean {
  return (rs.status?.observedGeneration ?? 0) >= (rs.metadata.generation ?? 0)
}

/** Those that may be counted on. */
function availableReplicas(rs: ReplicaSet): number {
  return isObserved(rs) ? (rs.status?.availableReplicas ?? 0) : 0
}

/** The next step down for the old ReplicaSets: first replicas that are not available anyway, then as many as availability allows. */
export function shrinkOld(deployment: Deployment, current: ReplicaSet | undefined, old: readonly ReplicaSet[]): Resize[] {
  const active = old.filter((rs) => replicasOf(rs) > 0)
  if (active.length === 0) return []
  const all = current ? [...active, current] : active
  const minAvailable = replicasOf(deployment) - fenceposts(deployment).maxUnavailable
  const newUnavailable = current ? replicasOf(current) - availableReplicas(current) : 0
  let removable = totalReplicas(all) - minAvailable - newUnavailable
  if (removable <= 0) return []
  const byAge = active.toSorted(olderFirst)
  const counts = new Map(byAge.map((rs) => [rs, replicasOf(rs)]))
  for (const rs of byAge) {
    const unhealthy = Math.min(removable, replicasOf(rs) - availableReplicas(rs))
    if (unhealthy <= 0 || !isObserved(rs)) continue
    counts.set(rs, replicasOf(rs) - unhealthy)
    removable -= unhealthy
  }
  let spare = all.reduce((sum, rs) => sum + availableReplicas(rs), 0) - minAvailable
  for (const rs of byAge) {
    const count = counts.get(rs) ?? 0
    const step = Math.min(count, spare)
    if (step <= 0) continue
    counts.set(rs, count - step)
    spare -= step
  }
  return changed(counts)
}

function changed(counts: ReadonlyMap<ReplicaSet, number>): Resize[] {
  return [...counts].filter(([rs, replicas]) => replicas !== replicasOf(rs)).map(([replicaSet, replicas]) => ({ replicaSet, replicas }))
}

export function olderFirst(a: ReplicaSet, b: ReplicaSet): number {
  return Date.parse(a.metadata.creationTimestamp) - Date.parse(b.metadata.creationTimestamp) || (a.metadata.name < b.metadata.name ? -1 : 1)
}

/** Whether the wanted number changed since the ReplicaSets were last sized for it. */
export function isScaling(deployment: Deployment, all: readonly ReplicaSet[]): boolean {
  return all.some((rs) => {
    const desired = Number(rs.metadata.annotations?.[DESIRED_REPLICAS])
    return replicasOf(rs) > 0 && Number.isInteger(desired) && desired !== replicasOf(deployment)
  })
}

/** Sizes for a new wanted number, outside a rollout or in the middle of one: there each ReplicaSet changes in proportion to its size. */
export function scale(deployment: Deployment, current: ReplicaSet | undefined, old: readonly ReplicaSet[]): Resize[] {
  const wanted = replicasOf(deployment)
  const all = current ? [...old, current] : [...old]
  const active = all.filter((rs) => replicasOf(rs) > 0)
  const only = active.length > 1 ? undefined : (active[0] ?? current ?? old.toSorted(olderFirst).at(-1))
  if (only) return replicasOf(only) === wanted ? [] : [{ replicaSet: only, replicas: wanted }]
  if (current && isSaturated(deployment, current)) {
    return old.filter((rs) => replicasOf(rs) > 0).map((replicaSet) => ({ replicaSet, replicas: 0 }))
  }
  if (deployment.spec.strategy?.type === 'Recreate') return []
  return scaleInProportion(deployment, active)
}

function isSaturated(deployment: Deployment, rs: ReplicaSet): boolean {
  const wanted = replicasOf(deployment)
  return (
    replicasOf(rs) === wanted && Number(rs.metadata.annotations?.[DESIRED_REPLICAS]) === wanted && rs.status?.availableReplicas === wanted
  )
}

function scaleInProportion(deployment: Deployment, active: readonly ReplicaSet[]): Resize[] {
  const wanted = replicasOf(deployment)
  const allowed = wanted > 0 ? wanted + fenceposts(deployment).maxSurge : 0
  const toAdd = allowed - totalReplicas(active)
  // The largest take most; of equal ones the newer grow and the older shrink first.
  const bySize = active.toSorted((a, b) => replicasOf(b) - replicasOf(a) || (toAdd > 0 ? olderFirst(b, a) : olderFirst(a, b)))
  const counts = new Map<ReplicaSet, number>()
  let added = 0
  for (const rs of bySize) {
    const share = toAdd === 0 ? 0 : shareOf(deployment, rs, toAdd, added)
    counts.set(rs, replicasOf(rs) + share)
    added += share
  }
  const [largest] = bySize
  if (largest && toAdd !== 0) counts.set(largest, Math.max(0, (counts.get(largest) ?? 0) + toAdd - added))
  return changed(counts)
}

function shareOf(deployment: Deployment, rs: ReplicaSet, toAdd: number, added: number): number {
  const left = toAdd - added
  if (left === 0) return 0
  const fraction = fractionOf(deployment, rs)
  return toAdd > 0 ? Math.min(fraction, left) : Math.max(fraction, left)
}

function fractionOf(deployment: Deployment, rs: ReplicaSet): number {
  const wanted = replicasOf(deployment)
  if (wanted === 0) return -replicasOf(rs)
  const before = Number(rs.metadata.annotations?.[MAX_REPLICAS]) || (deployment.status?.replicas ?? 0)
  if (before === 0) return 0
  return Math.round((replicasOf(rs) * (wanted + fenceposts(deployment).maxSurge)) / before) - replicasOf(rs)
}
