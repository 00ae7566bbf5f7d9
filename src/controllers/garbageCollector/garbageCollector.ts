/**
 * The garbage collector: an object whose owners are all gone goes too; foreground deletion takes the dependents first, orphan
 * deletion sets them free (upstream's pkg/controller/garbagecollector).
 *
 * It follows every resource through the shared informers, whose objects it does not copy: the graph costs a few pointers an
 * object. What its graph does not know is asked of the API before anything is deleted for the lack of it.
 */
import type { OwnerReference } from '../../api/kinds/meta/v1.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import type { Change } from '../../client/informer.ts'
import type { Controller, ControllerContext } from '../../reconcile/controller.ts'
import { resourceId } from '../deletableResources.ts'
import { at } from '../ownership.ts'
import { FollowedResources } from './followed.ts'
import { OwnerGraph, ownersOf, type GraphNode } from './graph.ts'
import { blocks, FOREGROUND, isWaiting, mustOrphan, ORPHAN, planGarbage, waitsForItself, type OwnerState } from './plan.ts'

const WORKERS = 20
/** Owners known to be gone: spares asking for the owner of each of many dependents. */
const REMEMBERED_GONE_LIMIT = 10_000

export function garbageCollector(context: ControllerContext): Controller {
  const { client } = context
  const graph = new OwnerGraph()
  const gone = new Set<string>()
  const followed = new FollowedResources(context, onChange)
  let enqueue: (uid: string) => void = () => {}

  function rememberGone(kind: string, uid: string): void {
    gone.add(`${kind}/${uid}`)
    if (gone.size <= REMEMBERED_GONE_LIMIT) return
    for (const oldest of gone) {
      gone.delete(oldest)
      return
    }
  }

  function tellWaitingOwners(object: KubeObject): void {
    for (const { uid } of ownersOf(object)) {
      const owner = graph.get(uid)
      if (owner && isWaiting(owner.object)) enqueue(uid)
    }
  }

  /** Not known, or known as something else or somewhere else. */
  function isDoubtful(owner: OwnerReference, { metadata }: KubeObject): boolean {
    const known = graph.get(owner.uid)
    if (!known || !isMeant(owner, known, followed.ofKind(owner.apiVersion, owner.kind))) return true
    return metadata.namespace !== undefined && known.resource.namespaced && known.object.metadata.namespace !== metadata.namespace
  }

  function onChange(resource: Resource, { before, after }: Change<KubeObject>): void {
    if (after) {
      graph.put(resource, after)
      const ownerMissing = ownersOf(after).some((owner) => isDoubtful(owner, after))
      if (ownerMissing || isWaiting(after) || mustOrphan(after)) enqueue(after.metadata.uid)
      tellWaitingOwners(after)
      if (before) tellWaitingOwners(before)
      return
    }
    if (!before) return
    const { uid } = before.metadata
    graph.remove(uid)
    rememberGone(resource.kind, uid)
    for (const dependent of graph.dependentsOf(uid)) enqueue(dependent.object.metadata.uid)
    tellWaitingOwners(before)
  }

  /** An owner in another namespace owns nothing here; whoever wrote the reference is told so. */
  function tellStrangeOwner({ apiVersion, kind, name, uid }: OwnerReference, dependent: KubeObject): void {
    const { namespace = '' } = dependent.metadata
    const message = `ownerRef [${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}] does not exist in namespace "${namespace}"`
    const { resourceVersion: _, ...metadata } = dependent.metadata
    context.events.record({ ...dependent, metadata } as KubeObject, { type: 'Warning', reason: 'OwnerRefInvalidNamespace', message })
  }

  async function stateOf(owner: OwnerReference, dependent: KubeObject): Promise<OwnerState> {
    const known = graph.get(owner.uid)
    const resource = followed.ofKind(owner.apiVersion, owner.kind)
    const { namespace } = dependent.metadata
    if (known && isMeant(owner, known, resource)) {
      const elsewhere = namespace !== undefined && known.resource.namespaced && known.object.metadata.namespace !== namespace
      if (!elsewhere) return isWaiting(known.object) ? 'waiting' : 'there'
      tellStrangeOwner(owner, dependent)
    } else if (gone.has(`${owner.kind}/${owner.uid}`)) return 'gone'
    // Of a kind that nobody serves, or in a namespace that the dependent isn't in: not ours to judge.
    if (!resource || (resource.namespaced && !namespace)) return 'there'
    try {
      const live = await client.get(resource, {
        name: owner.name,
        ...(resource.namespaced && namespace && { namespace }),
        signal: context.signal,
      })
      if (live.metadata.uid === owner.uid) return isWaiting(live) ? 'waiting' : 'there'
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
    rememberGone(owner.kind, owner.uid)
    return 'gone'
  }

  async function patchMetadata({ resource, object }: GraphNode, metadata: object, signal: AbortSignal): Promise<void> {
    const { uid, resourceVersion } = object.metadata
    const patch = { metadata: { uid, resourceVersion, ...metadata } }
    await ignoreGone(client.patch(resource, { ...at(object), type: 'application/merge-patch+json', signal }, patch))
  }

  async function removeFinalizer(node: GraphNode, finalizer: string, signal: AbortSignal): Promise<void> {
    await patchMetadata(node, { finalizers: (node.object.metadata.finalizers ?? []).filter((name) => name !== finalizer) }, signal)
  }

  async function orphan(node: GraphNode, signal: AbortSignal): Promise<void> {
    const { uid } = node.object.metadata
    for (const dependent of graph.dependentsOf(uid)) {
      await patchMetadata(dependent, { ownerReferences: ownersOf(dependent.object).filter((owner) => owner.uid !== uid) }, signal)
    }
    await removeFinalizer(node, ORPHAN, signal)
  }

  async function finishForeground(node: GraphNode, signal: AbortSignal): Promise<void> {
    const { uid } = node.object.metadata
    const dependents = graph.dependentsOf(uid)
    if (!dependents.some((dependent) => blocks(dependent.object, uid))) return removeFinalizer(node, FOREGROUND, signal)
    for (const dependent of dependents) if (!isWaiting(dependent.object)) enqueue(dependent.object.metadata.uid)
    if (waitsForItself(node.object, dependentObjects)) await holdNobodyUp(node, signal)
  }

  function dependentObjects(uid: string): KubeObject[] {
    return graph.dependentsOf(uid).map((dependent) => dependent.object)
  }

  async function holdNobodyUp(node: GraphNode, signal: AbortSignal): Promise<void> {
    const ownerReferences = ownersOf(node.object).map((owner) =>
      owner.blockOwnerDeletion ? { ...owner, blockOwnerDeletion: false } : owner,
    )
    await patchMetadata(node, { ownerReferences }, signal)
  }

  async function collect(node: GraphNode, signal: AbortSignal): Promise<void> {
    const { resource, object } = node
    const { uid, resourceVersion } = object.metadata
    const owners = ownersOf(object)
    const states = new Map(await Promise.all(owners.map(async (owner) => [owner.uid, await stateOf(owner, object)] as const)))
    const plan = planGarbage(object, states, graph.dependentsOf(uid).length > 0)
    if (plan.action === 'forgetOwners') return patchMetadata(node, { ownerReferences: plan.keep }, signal)
    if (plan.action === 'keep') return
    const options = { propagationPolicy: plan.policy, preconditions: { uid, resourceVersion } }
    await ignoreGone(client.delete(resource, { ...at(object), signal }, options))
  }

  return {
    name: 'garbage-collector-controller',
    workers: WORKERS,
    watches: followed.watches((add) => (enqueue = add)),
    async reconcile(uid, signal) {
      const node = graph.get(uid)
      if (!node) return
      if (mustOrphan(node.object)) return orphan(node, signal)
      if (isWaiting(node.object)) await finishForeground(node, signal)
      await collect(node, signal)
    },
  }
}

/** Whether the object of that uid is what the reference says that it is. */
function isMeant(owner: OwnerReference, { object, resource }: GraphNode, named: Resource | undefined): boolean {
  return owner.name === object.metadata.name && (!named || resourceId(named) === resourceId(resource))
}

async function ignoreGone(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}
