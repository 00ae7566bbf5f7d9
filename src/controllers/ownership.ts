/**
 * Which objects belong to a controller: by the controller owner reference, with orphans that match its selector adopted and
 * owned ones that no longer match released (upstream's ControllerRefManager).
 */
import type { LabelSelector, OwnerReference } from '../api/kinds/meta/v1.ts'
import { controllerOf, newControllerRef } from '../api/meta.ts'
import { apiVersionOf, type KubeObject, type Resource } from '../api/resource.ts'
import { labelMatcher, labelSelectorMatches } from '../api/selectors.ts'
import { isInvalid, isNotFound } from '../api/status.ts'
import type { Client } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'

/** Key of the controller of that resource which owns the object, if one does. */
export function ownerKey(object: KubeObject, resource: Resource): string | undefined {
  const reference = controllerOf(object)
  if (reference?.kind !== resource.kind || reference.apiVersion !== apiVersionOf(resource)) return undefined
  const { namespace } = object.metadata
  return namespace ? `${namespace}/${reference.name}` : reference.name
}

const BY_OWNER = 'controllerUid'
const ORPHANS = 'orphansByNamespace'

/** Lets `ownedOrOrphaned` find objects without looking at all of them. */
export function indexByOwner<T extends KubeObject>(informer: Informer<T>): void {
  informer.addIndex(BY_OWNER, (object) => {
    const uid = controllerOf(object)?.uid
    return uid ? [uid] : []
  })
  informer.addIndex(ORPHANS, (object) => (controllerOf(object) ? [] : [object.metadata.namespace ?? '']))
}

export function ownedBy<T extends KubeObject>(informer: Informer<T>, ownerUid: string): readonly T[] {
  return informer.byIndex(BY_OWNER, ownerUid)
}

export function ownedOrOrphaned<T extends KubeObject>(informer: Informer<T>, owner: KubeObject): T[] {
  return [...ownedBy(informer, owner.metadata.uid), ...informer.byIndex(ORPHANS, owner.metadata.namespace ?? '')]
}

/** Keys of the objects whose selector matches an orphan. */
export function adopters<T extends KubeObject>(
  orphan: KubeObject,
  informer: Informer<T>,
  selectorOf: (object: T) => LabelSelector | undefined,
): string[] {
  if (controllerOf(orphan)) return []
  const { namespace, labels } = orphan.metadata
  return informer
    .list(namespace)
    .filter((candidate) => labelSelectorMatches(selectorOf(candidate), labels))
    .map((candidate) => `${namespace}/${candidate.metadata.name}`)
}

export interface Claims<T> {
  /** Owned and matching. */
  owned: T[]
  /** Orphans that match. */
  adopt: T[]
  /** Owned, but no longer matching. */
  release: T[]
}

export function planClaims<T extends KubeObject>(
  owner: KubeObject,
  selector: LabelSelector | undefined,
  candidates: readonly T[],
): Claims<T> {
  const claims: Claims<T> = { owned: [], adopt: [], release: [] }
  const matchesSelector = labelMatcher(selector)
  const ownerLeaves = owner.metadata.deletionTimestamp !== undefined
  for (const object of candidates) {
    const matches = matchesSelector(object.metadata.labels)
    const controller = controllerOf(object)
    if (controller) {
      if (controller.uid !== owner.metadata.uid) continue
      if (matches) claims.owned.push(object)
      else if (!ownerLeaves) claims.release.push(object)
    } else if (matches && !ownerLeaves && object.metadata.deletionTimestamp === undefined) {
      claims.adopt.push(object)
    }
  }
  return claims
}

export interface Claiming<O extends KubeObject, T extends KubeObject> {
  client: Client
  owner: O
  ownerResource: Resource<O>
  resource: Resource<T>
  selector: LabelSelector | undefined
  candidates: readonly T[]
  signal: AbortSignal
}

/** Adopts and releases as planned; answers what the owner owns then. */
export async function claim<O extends KubeObject, T extends KubeObject>(claiming: Claiming<O, T>): Promise<T[]> {
  const { client, owner, ownerResource, resource, selector, candidates, signal } = claiming
  const { owned, adopt, release } = planClaims(owner, selector, candidates)
  if (adopt.length > 0) {
    // The cache may lag behind: never adopt for an owner that was deleted or replaced meanwhile.
    const live = await client.get(ownerResource, { ...at(owner), signal })
    const same = live.metadata.uid === owner.metadata.uid && live.metadata.deletionTimestamp === undefined
    for (const orphan of same ? adopt : []) {
      const adopted = await tolerateGone(
        setReferences(claiming, orphan, [...(orphan.metadata.ownerReferences ?? []), newControllerRef(owner, ownerResource)]),
      )
      if (adopted) owned.push(adopted)
    }
  }
  for (const object of release) {
    const kept = (object.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== owner.metadata.uid)
    await tolerateGone(setReferences({ client, resource, signal }, object, kept))
  }
  return owned
}

async function tolerateGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (isNotFound(error) || isInvalid(error)) return undefined
    throw error
  }
}

function setReferences<T extends KubeObject>(
  { client, resource, signal }: { client: Client; resource: Resource<T>; signal: AbortSignal },
  object: T,
  ownerReferences: OwnerReference[],
): Promise<T> {
  const { uid, resourceVersion } = object.metadata
  const patch = { metadata: { uid, resourceVersion, ownerReferences: ownerReferences.length > 0 ? ownerReferences : null } }
  return client.patch(resource, { ...at(object), type: 'application/merge-patch+json', signal }, patch)
}

/** Where an object is, for the client's calls. */
export function at(object: KubeObject): { name: string; namespace?: string } {
  const { name, namespace } = object.metadata
  return namespace ? { name, namespace } : { name }
}
