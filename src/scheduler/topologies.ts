/**
 * Which nodes share a value of a label, as numbers by the nodes' slots: spreading asks for zones of hundreds of nodes for each
 * pod, and the labels of so many objects are slow to reach.
 */
import type { Node } from '../api/kinds/core/v1.ts'
import type { NodeInfo } from './nodeInfo.ts'

/** Label names remembered at one time. */
const KEYS_MAX = 16

/** Values of nodes that are long gone, for each that is there: with more of them all is numbered anew. */
const OLD_VALUES_MAX = 4
const OLD_VALUES_MIN = 1_000

/** Of a node without the label, or with an empty one. */
export const NO_DOMAIN = 0

/** The domains of one label. */
export class Topology {
  readonly #key: string
  readonly #numbers = new Map<string, number>()
  /** Number of the node's domain by its slot; NO_DOMAIN without one. */
  readonly bySlot: number[] = []
  /** Grows whenever a node has come, gone or moved to another domain. */
  revision = 0

  constructor(key: string) {
    this.#key = key
  }

  get isWorn(): boolean {
    return this.#numbers.size > Math.max(OLD_VALUES_MIN, this.bySlot.length * OLD_VALUES_MAX)
  }

  set(slot: number, node: Node): void {
    const value = node.metadata.labels?.[this.#key]
    let number = value ? this.#numbers.get(value) : NO_DOMAIN
    if (number === undefined) this.#numbers.set(value as string, (number = this.#numbers.size + 1))
    if (this.bySlot[slot] !== number) this.revision++
    this.bySlot[slot] = number
  }
}

export class Topologies {
  readonly #byKey = new Map<string, Topology>()

  of(key: string, nodes: Iterable<NodeInfo>): Topology {
    let topology = this.#byKey.get(key)
    if (!topology) {
      topology = new Topology(key)
      for (const { slot, node } of nodes) topology.set(slot, node)
      const [oldest] = this.#byKey.keys()
      if (this.#byKey.size >= KEYS_MAX) this.#byKey.delete(oldest as string)
      this.#byKey.set(key, topology)
    }
    return topology
  }

  set(slot: number, node: Node): void {
    for (const [key, topology] of this.#byKey) {
      topology.set(slot, node)
      if (topology.isWorn) this.#byKey.delete(key)
    }
  }

  /** A node has come or gone. */
  touch(): void {
    for (const topology of this.#byKey.values()) topology.revision++
  }
}
