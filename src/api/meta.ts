/** What can be asked of any object's metadata and conditions (k8s.io/apimachinery metav1 and api/meta). */
import type { Condition, OwnerReference } from './kinds/meta/v1.ts'
import { apiVersionOf, type Resource } from './resource.ts'

type HasOwners = { metadata: { ownerReferences?: readonly OwnerReference[] } }

/** The owner that manages the object, if one does. */
export function controllerOf(object: HasOwners): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((ref) => ref.controller === true)
}

export function isControlledBy(object: HasOwners, owner: { metadata: { uid: string } }): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid
}

/** The reference by which `owner` manages an object. */
export function newControllerRef(owner: { metadata: { name: string; uid: string } }, resource: Resource): OwnerReference {
  const { name, uid } = owner.metadata
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, name, uid, controller: true, blockOwnerDeletion: true }
}

/** Conditions of any kind: metav1.Condition, PodCondition, NodeCondition … */
export interface AnyCondition {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string
}

export function findCondition<C extends AnyCondition>(conditions: readonly C[] | undefined, type: C['type']): C | undefined {
  return conditions?.find((c) => c.type === type)
}

export function isConditionTrue(conditions: readonly AnyCondition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True'
}

/** The conditions with one set; its lastTransitionTime stays what it was unless the status changes. The same list if nothing changes. */
export function withCondition<C extends AnyCondition>(conditions: readonly C[] | undefined, condition: C, now: string): readonly C[] {
  const before = findCondition(conditions, condition.type)
  if (!before) return [...(conditions ?? []), { ...condition, lastTransitionTime: condition.lastTransitionTime ?? now }]
  const moved = before.status !== condition.status
  const lastTransitionTime = moved ? (condition.lastTransitionTime ?? now) : (before.lastTransitionTime ?? now)
  const next = { ...before, ...condition, lastTransitionTime }
  return deepEqual(before, next) ? (conditions as readonly C[]) : (conditions as readonly C[]).map((c) => (c === before ? next : c))
}

export function withoutCondition<C extends AnyCondition>(conditions: readonly C[] | undefined, type: C['type']): C[] {
  return (conditions ?? []).filter((condition) => condition.type !== type)
}

/** withCondition for metav1.Condition. */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  condition: Omit<Condition, 'lastTransitionTime'>,
  now: string,
): readonly Condition[] {
  return withCondition(conditions ?? [], condition as Condition, now)
}

/** Equal as JSON, whatever the order of members; a member that is `undefined` is not there. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((item, i) => deepEqual(item, b[i]))
  }
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>]
  let members = 0
  for (const key of Object.keys(x)) {
    if (x[key] === undefined) continue
    members++
    if (!Object.hasOwn(y, key) || !deepEqual(x[key], y[key])) return false
  }
  for (const key of Object.keys(y)) if (y[key] !== undefined) members--
  return members === 0
}

/** Timestamps as the API writes them. */
export function timestamp(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`
}
