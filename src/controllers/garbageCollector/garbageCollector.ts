/**
 * The garbage collector: an object whose owners are all gone goes too; foreground deletion takes the dependents first, orphan
 * deletion sets them free (upstream's pkg/controller/garbagecollector).
 *
 * It follows every resource through the shared informers, whose objects it does not copy: the graph costs a few pointers an
 * object. What its graph does not know is asked of the API before anything is deleted for the lack of it.
 */
import { apiVersionOf, type KubeObject, type Resource } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import type { Change } from '../../client/informer.ts'
import type { Controller, ControllerContext } from '../../reconcile/controller.ts'
import { at } from '../ownership.ts'
import { FollowedResources } from './followed.ts'
import { OwnerGraph, ownersOf, type GraphNode } from './graph.ts'
import { Owners } from './owners.ts'
import { blocks, FOREGROUND, isWaiting, mustOrphan, ORPHAN, planGarbage, waitsForItself } from './plan.ts'

const WORKERS = 20
export function garbageCollector(context: ControllerContext): Controller {
  const { client } = context
  const graph = new OwnerGraph()
  const followed = new FollowedResources(context, onChange)
  const owners = new Owners(context, graph, followed)
  let enqueue: (uid: string) => void = () => {}

  function tellWaitingOwners(object: KubeObject): void {
    for (const { uid } of ownersOf(object)) {
      const owner = graph.get(uid)
      if (owner && isWaiting(owner.object)) enqueue(uid)
    }
  }

  function onChange(resource: Resource, { before, after }: Change<KubeObject>): void {
    if (after) {
      graph.put(resource, after)
      owners.tellOfStrangers(after, before)
      if (!before) owners.tellDependentsOf({ resource, object: after })
      // Those that hold nobody up, too, and before it: it would be gone when their turn comes.
      if (isWaiting(after) && !(before && isWaiting(before))) enqueueDependents(after)
      const ownerMissing = ownersOf(after).some((owner) => owners.isDoubtful(owner, after))
      if (ownerMissing || isWaiting(after) || mustOrphan(after)) enqueue(after.metadata.uid)
      tellWaitingOwners(after)
      if (before) tellWaitingOwners(before)
      return
    }
    if (!before) return
    const { uid, namespace } = before.metadata
    graph.remove(uid)
    owners.rememberGone(apiVersionOf(resource), resource.kind, uid, namespace)
    enqueueDependents(before)
    tellWaitingOwners(before)
  }

  function enqueueDependents({ metadata }: KubeObject): void {
    for (const dependent of graph.dependentsOf(metadata.uid)) enqueue(dependent.object.metadata.uid)
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
    const states = new Map(
      await Promise.all(ownersOf(object).map(async (owner) => [owner.uid, await owners.stateOf(owner, object)] as const)),
    )
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

async function ignoreGone(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}
