/** What the garbage collector does with one object. No I/O. */
import type { OwnerReference } from '../../api/kinds/meta/v1.ts'
import type { KubeObject } from '../../api/resource.ts'
import { ownersOf } from './graph.ts'

export const FOREGROUND = 'foregroundDeletion'
export const ORPHAN = 'orphan'

export type PropagationPolicy = 'Foreground' | 'Background' | 'Orphan'

/** `waiting`: being deleted in the foreground, so that its dependents go first. `unknown`: nobody can tell, so that nothing is done. */
export type OwnerState = 'there' | 'waiting' | 'gone' | 'unknown'

export type GarbagePlan =
  | { action: 'keep' }
  | { action: 'delete'; policy: PropagationPolicy }
  /** Some owners are gone while another holds the object. */
  | { action: 'forgetOwners'; keep: OwnerReference[] }

export function isWaiting(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).includes(FOREGROUND)
}

export function mustOrphan(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).includes(ORPHAN)
}

/** Dependents without which the owner can't go. */
export function blocks(dependent: KubeObject, ownerUid: string): boolean {
  return ownersOf(dependent).some((owner) => owner.uid === ownerUid && owner.blockOwnerDeletion)
}

/**
 * Whether the object waits for itself: a way leads from it, over dependents that hold their owner up and wait themselves, back to it.
 * Nothing in such a circle would ever go.
 */
export function waitsForItself(object: KubeObject, dependentsOf: (uid: string) => readonly KubeObject[]): boolean {
  const { uid } = object.metadata
  if (!isWaiting(object)) return false
  const seen = new Set<string>()
  const ahead = [uid]
  for (let at = ahead.pop(); at !== undefined; at = ahead.pop()) {
    for (const dependent of dependentsOf(at)) {
      if (!isWaiting(dependent) || !blocks(dependent, at)) continue
      const next = dependent.metadata.uid
      if (next === uid) return true
      if (seen.has(next)) continue
      seen.add(next)
      ahead.push(next)
    }
  }
  return false
}

function policyOf(object: KubeObject): PropagationPolicy {
  const finalizers = object.metadata.finalizers ?? []
  if (finalizers.includes(ORPHAN)) return 'Orphan'
  return finalizers.includes(FOREGROUND) ? 'Foreground' : 'Background'
}

export function planGarbage(object: KubeObject, states: ReadonlyMap<string, OwnerState>, hasDependents: boolean): GarbagePlan {
  const owners = ownersOf(object)
  const isLeaving = object.metadata.deletionTimestamp !== undefined && !isWaiting(object)
  if (owners.length === 0 || isLeaving) return { action: 'keep' }
  const of = (state: OwnerState): OwnerReference[] => owners.filter((owner) => (states.get(owner.uid) ?? 'there') === state)
  if (of('unknown').length > 0) return { action: 'keep' }
  const there = of('there')
  const waiting = of('waiting')
  if (there.length > 0) return there.length === owners.length ? { action: 'keep' } : { action: 'forgetOwners', keep: there }
  if (object.metadata.deletionTimestamp !== undefined) return { action: 'keep' }
  if (waiting.length > 0 && hasDependents) return { action: 'delete', policy: 'Foreground' }
  return { action: 'delete', policy: policyOf(object) }
}
