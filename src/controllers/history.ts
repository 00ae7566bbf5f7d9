/**
 * The template history of DaemonSets and StatefulSets: one ControllerRevision for each template they had, which
 * `kubectl rollout undo` goes back to (upstream's pkg/controller/history).
 */
import { controllerrevisions, type ControllerRevision } from '../api/kinds/apps/v1.ts'
import type { PodTemplateSpec } from '../api/kinds/core/v1.ts'
import { newControllerRef } from '../api/meta.ts'
import type { Draft, KubeObject, Resource } from '../api/resource.ts'
import { isAlreadyExists, isNotFound } from '../api/status.ts'
import type { Client } from '../client/client.ts'
import { safeHash, semanticallyEqual } from './hash.ts'
import { at } from './ownership.ts'

export const REVISION_HASH = 'controller-revision-hash'

export interface HistoryOwner {
  object: KubeObject & { metadata: { namespace: string } }
  resource: Resource
  template: PodTemplateSpec
  /** The label of a revision that holds its hash. */
  hashLabel: string
  collisionCount: number | undefined
}

export type HistoryPlan =
  | { action: 'use'; revision: ControllerRevision }
  /** An old template is wanted again: its revision becomes the newest. */
  | { action: 'renumber'; revision: ControllerRevision; number: number }
  | { action: 'create'; draft: Draft<ControllerRevision> }

/** With sorted keys: clients (`kubectl rollout undo`) compare a revision with a template byte for byte. */
function dataOf(template: PodTemplateSpec): { spec: { template: object } } {
  return { spec: { template: sorted({ ...template, $patch: 'replace' }) as object } }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).map(([key, item]) => [key, sorted(item)] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The template that a revision keeps. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const { $patch: _, ...template } = (revision.data as { spec: { template: PodTemplateSpec & { $patch?: string } } }).spec.template
  return template
}

export function byRevision(a: ControllerRevision, b: ControllerRevision): number {
  return a.revision - b.revision || Date.parse(a.metadata.creationTimestamp) - Date.parse(b.metadata.creationTimestamp)
}

export function planHistory(owner: HistoryOwner, revisions: readonly ControllerRevision[]): HistoryPlan {
  const data = dataOf(owner.template)
  const inOrder = revisions.toSorted(byRevision)
  const newest = inOrder.at(-1)
  const same = inOrder.findLast((revision) => semanticallyEqual(revision.data, data))
  const next = (newest?.revision ?? 0) + 1
  if (same) return same === newest ? { action: 'use', revision: same } : { action: 'renumber', revision: same, number: next }
  const { name, namespace, annotations } = owner.object.metadata
  const hash = safeHash(data, owner.collisionCount)
  const labels = { ...owner.template.metadata?.labels, [owner.hashLabel]: hash }
  return {
    action: 'create',
    draft: {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: {
        name: `${name}-${hash}`,
        namespace,
        labels,
        ...(annotations && { annotations }),
        ownerReferences: [newControllerRef(owner.object, owner.resource)],
      },
      data,
      revision: next,
    },
  }
}

/** Another template has the same hash: count the collision and try again. */
export class HashCollision extends Error {
  override readonly name = 'HashCollision'
}

export async function applyHistory(client: Client, plan: HistoryPlan, signal: AbortSignal): Promise<ControllerRevision> {
  if (plan.action === 'use') return plan.revision
  if (plan.action === 'renumber') return client.update(controllerrevisions, { ...plan.revision, revision: plan.number }, { signal })
  try {
    return await client.create(controllerrevisions, plan.draft, { signal })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    const { name = '', namespace = '' } = plan.draft.metadata
    const existing = await client.get(controllerrevisions, { name, namespace, signal })
    if (semanticallyEqual(existing.data, plan.draft.data)) return existing
    throw new HashCollision(`another template than that of ${namespace}/${name} has its hash`, { cause: error })
  }
}

/** Revisions beyond the limit that neither a pod nor the rollout needs, the oldest first. */
export function expiredRevisions(
  revisions: readonly ControllerRevision[],
  inUse: (revision: ControllerRevision) => boolean,
  limit: number,
): ControllerRevision[] {
  const idle = revisions.toSorted(byRevision).filter((revision) => !inUse(revision))
  return idle.slice(0, Math.max(0, idle.length - limit))
}

/** As DaemonSets count: old revisions that pods still have are kept, and take their places within the limit. */
export function expiredOldRevisions(
  revisions: readonly ControllerRevision[],
  current: ControllerRevision,
  inUse: (revision: ControllerRevision) => boolean,
  limit: number,
): ControllerRevision[] {
  const old = revisions.filter(({ metadata }) => metadata.uid !== current.metadata.uid)
  return expiredRevisions(old, inUse, Math.max(0, limit - old.filter(inUse).length))
}

export async function removeRevisions(client: Client, revisions: readonly ControllerRevision[], signal: AbortSignal): Promise<void> {
  for (const revision of revisions) {
    await client
      .delete(controllerrevisions, { ...at(revision), signal }, { preconditions: { uid: revision.metadata.uid } })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error
      })
  }
}
