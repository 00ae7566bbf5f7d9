/** Pods that no selector can tell apart: same namespace, labels, wishes, and whether they are on their way out. */
import type { Labels } from '../api/selectors.ts'
import type { NodeInfo } from './nodeInfo.ts'
import type { PodInfo, PodWishes } from './podInfo.ts'
import type { Topology } from './topologies.ts'

interface DomainCounts {
  revision: number
  /** By the domain's number; undefined for 0. */
  readonly counts: number[]
}

export class PodGroup {
  readonly key: string
  readonly namespace: string
  readonly labels: Labels
  readonly isTerminating: boolean
  readonly wishes: PodWishes
  readonly #nodes = new Map<NodeInfo, number>()
  /** Of the topologies that somebody asked for, which are few. */
  readonly #byTopology = new Map<Topology, DomainCounts>()

  constructor(key: string, { pod, wishes }: PodInfo) {
    const { namespace, labels, deletionTimestamp } = pod.metadata
    this.key = key
    this.namespace = namespace
    this.labels = labels
    this.isTerminating = deletionTimestamp !== undefined
    this.wishes = wishes
  }

  /** How many of them are on which node. */
  get nodes(): ReadonlyMap<NodeInfo, number> {
    return this.#nodes
  }

  /** How many are in a domain of a topology, on nodes that exist; by the domain's number, undefined for none. */
  countsByDomain(topology: Topology): readonly (number | undefined)[] {
    const known = this.#byTopology.get(topology)
    if (known?.revision === topology.revision) return known.counts
    // What was counted before a node moved is of no use any more, here and in topologies that were numbered anew.
    this.#forgetOutdated()
    const counts: number[] = []
    this.#byTopology.set(topology, { revision: topology.revision, counts })
    for (const [node, count] of this.#nodes) addToDomain(counts, topology, node, count)
    return counts
  }

  count(node: NodeInfo, change: number): void {
    const count = (this.#nodes.get(node) ?? 0) + change
    if (count > 0) this.#nodes.set(node, count)
    else this.#nodes.delete(node)
    for (const [topology, { counts }] of this.#byTopology) addToDomain(counts, topology, node, change)
  }

  #forgetOutdated(): void {
    for (const [topology, { revision }] of this.#byTopology) if (revision !== topology.revision) this.#byTopology.delete(topology)
  }
}

function addToDomain(counts: number[], { bySlot }: Topology, node: NodeInfo, change: number): void {
  const domain = bySlot[node.slot]
  if (node.exists && domain !== undefined) counts[domain] = (counts[domain] ?? 0) + change
}
