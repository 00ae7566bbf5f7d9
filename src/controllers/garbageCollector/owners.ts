/** What the graph knows of an owner that a reference names, and what the API says where it knows nothing. */
import type { OwnerReference } from '../../api/kinds/meta/v1.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import type { ControllerContext } from '../../reconcile/controller.ts'
import { resourceId } from '../deletableResources.ts'
import type { FollowedResources } from './followed.ts'
import { ownersOf, type GraphNode, type OwnerGraph } from './graph.ts'
import { isWaiting, type OwnerState } from './plan.ts'

/** Owners known to be gone: spares asking for the owner of each of many dependents. */
const REMEMBERED_GONE_LIMIT = 10_000

/** Whether the object of that uid is what the reference says that it is; in a version that nobody serves it is nothing. */
function isMeant(owner: OwnerReference, { object, resource }: GraphNode, named: Resource | undefined): boolean {
  return owner.name === object.metadata.name && named !== undefined && resourceId(named) === resourceId(resource)
}

/** With the version: that an object is gone says nothing about what a version that nobody serves may have meant. */
const goneId = (apiVersion: string, kind: string, uid: string, namespace = ''): string => `${apiVersion}/${kind}/${namespace}/${uid}`

/** Kept in a namespace that the dependent isn't in. One without a namespace is in none of them. */
const isElsewhere = ({ resource, object }: GraphNode, { metadata }: KubeObject): boolean =>
  resource.namespaced && object.metadata.namespace !== metadata.namespace

export class Owners {
  readonly #context: ControllerContext
  readonly #graph: OwnerGraph
  readonly #followed: FollowedResources
  readonly #gone = new Set<string>()

  constructor(context: ControllerContext, graph: OwnerGraph, followed: FollowedResources) {
    this.#context = context
    this.#graph = graph
    this.#followed = followed
  }

  rememberGone(apiVersion: string, kind: string, uid: string, namespace: string | undefined): void {
    this.#gone.add(goneId(apiVersion, kind, uid, namespace))
    if (this.#gone.size <= REMEMBERED_GONE_LIMIT) return
    for (const oldest of this.#gone) {
      this.#gone.delete(oldest)
      return
    }
  }

  /** Not known, or known as something else or somewhere else. */
  isDoubtful(owner: OwnerReference, dependent: KubeObject): boolean {
    const known = this.#graph.get(owner.uid)
    if (!known || !isMeant(owner, known, this.#followed.ofKind(owner.apiVersion, owner.kind))) return true
    return isElsewhere(known, dependent)
  }

  async stateOf(owner: OwnerReference, dependent: KubeObject): Promise<OwnerState> {
    const known = this.#graph.get(owner.uid)
    const resource = this.#followed.ofKind(owner.apiVersion, owner.kind)
    const { namespace } = dependent.metadata
    // An object without a namespace cannot say in which one its owner is: not ours to judge, also when one of that uid is gone.
    if (resource?.namespaced && !namespace) return 'unknown'
    if (known && isMeant(owner, known, resource)) {
      if (!isElsewhere(known, dependent)) return isWaiting(known.object) ? 'waiting' : 'there'
    } else if (this.#isKnownGone(owner, namespace)) return 'gone'
    // Of a kind that nobody serves in that version.
    if (!resource) return 'unknown'
    const live = await this.#read(resource, owner.name, namespace)
    if (live?.metadata.uid === owner.uid) return isWaiting(live) ? 'waiting' : 'there'
    this.rememberGone(owner.apiVersion, owner.kind, owner.uid, resource.namespaced ? namespace : undefined)
    return 'gone'
  }

  /**
   * An owner in another namespace owns nothing here; whoever wrote the reference is told so, of the first that is wrong among the
   * references that are new.
   */
  tellOfStrangers(dependent: KubeObject, before: KubeObject | undefined): void {
    const had = new Set(before && ownersOf(before).map(({ uid }) => uid))
    for (const owner of ownersOf(dependent)) {
      const known = had.has(owner.uid) ? undefined : this.#graph.get(owner.uid)
      if (!known) continue
      if (isElsewhere(known, dependent)) return this.#tellOfStranger(owner, dependent)
      if (!isMeant(owner, known, this.#followed.ofKind(owner.apiVersion, owner.kind))) return
    }
  }

  /** The same for those that had named this object as their owner before it was seen. */
  tellDependentsOf(node: GraphNode): void {
    const { uid } = node.object.metadata
    for (const { object } of this.#graph.dependentsOf(uid)) {
      const owner = isElsewhere(node, object) && ownersOf(object).find((reference) => reference.uid === uid)
      if (owner) this.#tellOfStranger(owner, object)
    }
  }

  #isKnownGone({ apiVersion, kind, uid }: OwnerReference, namespace: string | undefined): boolean {
    return this.#gone.has(goneId(apiVersion, kind, uid)) || this.#gone.has(goneId(apiVersion, kind, uid, namespace))
  }

  #tellOfStranger({ apiVersion, kind, name, uid }: OwnerReference, dependent: KubeObject): void {
    const { resourceVersion: _, ...metadata } = dependent.metadata
    const { namespace = '' } = metadata
    const message = `ownerRef [${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}] does not exist in namespace "${namespace}"`
    const about = { ...dependent, metadata } as KubeObject
    this.#context.events.record(about, { type: 'Warning', reason: 'OwnerRefInvalidNamespace', message })
  }

  async #read(resource: Resource, name: string, namespace: string | undefined): Promise<KubeObject | undefined> {
    const { client, signal } = this.#context
    try {
      return await client.get(resource, { name, ...(resource.namespaced && namespace && { namespace }), signal })
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }
}
