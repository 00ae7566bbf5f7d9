/**
 * What the scheduler knows of nodes and their pods, kept incrementally from the informers. A pod that was just given a node
 * is assumed to be there until the API says so: the next pod must not see its place as free.
 */
import type { Node, Pod } from '../api/kinds/core/v1.ts'
import { hasFinished } from '../api/pods.ts'
import type { NodeInfo, Snapshot } from './framework.ts'
import { addResources, allocatableOf, nonZeroRequests, podRequests } from './resources.ts'

interface Entry {
  node: Node
  pods: Map<string, Pod>
  /** Built when next asked for. */
  info: NodeInfo | undefined
}

export class SchedulerCache {
  readonly #nodes = new Map<string, Entry>()
  /** Pods of nodes that are not known (yet). */
  readonly #placeOf = new Map<string, string>()
  readonly #strays = new Map<string, Map<string, Pod>>()
  #snapshot: Snapshot | undefined

  setNode(node: Node): void {
    const name = node.metadata.name
    const entry = this.#nodes.get(name)
    const pods = entry?.pods ?? this.#strays.get(name) ?? new Map<string, Pod>()
    this.#strays.delete(name)
    this.#nodes.set(name, { node, pods, info: undefined })
    this.#snapshot = undefined
  }

  removeNode(name: string): void {
    const entry = this.#nodes.get(name)
    if (!entry) return
    this.#nodes.delete(name)
    if (entry.pods.size > 0) this.#strays.set(name, entry.pods)
    this.#snapshot = undefined
  }

  /** A pod that is (or is assumed to be) on a node. */
  setPod(pod: Pod, nodeName: string): void {
    const uid = pod.metadata.uid
    const before = this.#placeOf.get(uid)
    if (before && before !== nodeName) this.removePod(uid)
    if (hasFinished(pod)) return this.removePod(uid)
    this.#placeOf.set(uid, nodeName)
    const entry = this.#nodes.get(nodeName)
    if (entry) {
      entry.pods.set(uid, pod)
      entry.info = undefined
    } else {
      const strays = this.#strays.get(nodeName) ?? new Map<string, Pod>()
      this.#strays.set(nodeName, strays.set(uid, pod))
    }
    this.#snapshot = undefined
  }

  removePod(uid: string): void {
    const nodeName = this.#placeOf.get(uid)
    if (nodeName === undefined) return
    this.#placeOf.delete(uid)
    this.#strays.get(nodeName)?.delete(uid)
    const entry = this.#nodes.get(nodeName)
    if (entry?.pods.delete(uid)) entry.info = undefined
    this.#snapshot = undefined
  }

  snapshot(): Snapshot {
    if (this.#snapshot) return this.#snapshot
    const nodes = [...this.#nodes.values()].map((entry) => (entry.info ??= nodeInfo(entry.node, [...entry.pods.values()])))
    return (this.#snapshot = { nodes, byName: new Map(nodes.map((info) => [info.node.metadata.name, info])) })
  }
}

export function nodeInfo(node: Node, pods: readonly Pod[]): NodeInfo {
  const requested = new Map<string, number>([['pods', pods.length]])
  const nonZeroRequested = new Map<string, number>()
  for (const pod of pods) {
    addResources(requested, podRequests(pod))
    addResources(nonZeroRequested, nonZeroRequests(pod))
  }
  return { node, pods, requested, nonZeroRequested, allocatable: allocatableOf(node) }
}
