/** What the server itself does to metadata: fills it on create, keeps it on update (registry/rest's BeforeCreate and BeforeUpdate). */
import { randomUUID } from 'node:crypto'
import { newBadRequest } from '../../api/status.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { ObjectMeta } from '../../api/kinds/meta/v1.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { StoredKind } from './kind.ts'

/** The namespace in the URL and the one in the object have to agree. */
export function matchNamespace(object: KubeObject, { namespaced }: Pick<CatalogResource, 'namespaced'>, namespace: string): void {
  const { metadata } = object
  if (!namespaced) {
    delete metadata.namespace
    return
  }
  if (!metadata.namespace) metadata.namespace = namespace
  if (metadata.namespace !== namespace) {
    throw newBadRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
}

export function wipeSystemFields(metadata: Partial<ObjectMeta>): void {
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  delete metadata.selfLink
  delete metadata.uid
  delete metadata.creationTimestamp
}

/** After admission: identity and, for kinds that count it, the first generation. */
export function fillForCreate(object: KubeObject, kind: StoredKind, now: string): void {
  const { metadata } = object
  delete (metadata as Partial<ObjectMeta>).resourceVersion
  // What the client sent of them is gone before admission.
  delete metadata.selfLink
  metadata.uid = randomUUID()
  metadata.creationTimestamp = now
  if (kind.strategy.managesGeneration) metadata.generation = 1
}

/** What a client leaves out of an update is kept; what it may not change is set back or left for validation to refuse. */
export function keepOnUpdate(next: KubeObject, old: KubeObject): void {
  const meta = next.metadata
  meta.uid ||= old.metadata.uid
  meta.creationTimestamp = old.metadata.creationTimestamp
  if (old.metadata.generation === undefined) delete meta.generation
  else meta.generation = old.metadata.generation
  if (old.metadata.deletionTimestamp !== undefined) meta.deletionTimestamp = old.metadata.deletionTimestamp
  if (old.metadata.deletionGracePeriodSeconds !== undefined) meta.deletionGracePeriodSeconds ??= old.metadata.deletionGracePeriodSeconds
  delete meta.selfLink
}

/** The same owner twice is once; `when`, where that is not how it was sent. */
export function dedupeOwners(object: KubeObject, warnings: string[], when?: string): void {
  const references = object.metadata.ownerReferences
  if (!references || references.length < 2) return
  const kept = new Map<string, (typeof references)[number]>()
  const doubles = new Set<string>()
  for (const reference of references) {
    const text = JSON.stringify(reference)
    if (kept.has(text)) doubles.add(reference.uid)
    else kept.set(text, reference)
  }
  if (doubles.size === 0) return
  object.metadata.ownerReferences = [...kept.values()]
  warnings.push(
    `.metadata.ownerReferences contains duplicate entries${when ? ` ${when}` : ''}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${[...doubles].join(', ')}`,
  )
}
