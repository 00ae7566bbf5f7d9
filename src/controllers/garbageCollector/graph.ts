/** Who owns whom: every object by its uid, and the dependents of every owner, also of owners that are not there. */
import type { OwnerReference } from '../../api/kinds/meta/v1.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'

export interface GraphNode {
  resource: Resource
  object: KubeObject
}

export function ownersOf(object: KubeObject): readonly OwnerReference[] {
  return object.metadata.ownerReferences ?? []
}

const NONE: ReadonlySet<string> = new Set()

export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>()
  readonly #dependents = new Map<string, Set<string>>()

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid)
  }

  dependentsOf(uid: string): GraphNode[] {
    return [...(this.#dependents.get(uid) ?? NONE)].flatMap((dependent) => this.#nodes.get(dependent) ?? [])
  }

  put(resource: Resource, object: KubeObject): void {
    const { uid } = object.metadata
    const known = this.#nodes.get(uid)
    if (known) this.#unlink(uid, known.object)
    this.#nodes.set(uid, { resource, object })
    for (const owner of ownersOf(object)) {
      let dependents = this.#dependents.get(owner.uid)
      if (!dependents) this.#dependents.set(owner.uid, (dependents = new Set()))
      dependents.add(uid)
    }
  }

  remove(uid: string): void {
    const known = this.#nodes.get(uid)
    if (!known) return
    this.#unlink(uid, known.object)
    this.#nodes.delete(uid)
  }

  #unlink(uid: string, object: KubeObject): void {
    for (const owner of ownersOf(object)) {
      const dependents = this.#dependents.get(owner.uid)
      dependents?.delete(uid)
      if (dependents?.size === 0) this.#dependents.delete(owner.uid)
    }
  }
}
