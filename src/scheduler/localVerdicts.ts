/**
 * Verdicts and scores that depend on nothing but one node and what alike pods have in common: kept from pod to pod, and worked out
 * anew for nodes that have changed since. Replicas of one template come by the hundred, and each changes one node only.
 */
import type { NodeRefusal } from './framework.ts'
import type { NodeInfo } from './nodeInfo.ts'

/** Kinds of pods remembered at one time. */
const SIGNATURES_MAX = 16

/** By slot of the node. */
export class Verdicts {
  readonly #seen: number[] = []
  readonly #refusals: (NodeRefusal | undefined)[] = []
  readonly #scoreSeen: number[] = []
  readonly #scores: (readonly number[])[] = []

  refusal(slot: number, generation: number, node: NodeInfo, work: (node: NodeInfo) => NodeRefusal | undefined): NodeRefusal | undefined {
    if (this.#seen[slot] !== generation) {
      this.#refusals[slot] = work(node)
      this.#seen[slot] = generation
    }
    return this.#refusals[slot]
  }

  scores(slot: number, generation: number, node: NodeInfo, work: (node: NodeInfo) => readonly number[]): readonly number[] {
    if (this.#scoreSeen[slot] !== generation) {
      this.#scores[slot] = work(node)
      this.#scoreSeen[slot] = generation
    }
    return this.#scores[slot] as readonly number[]
  }
}

export class LocalVerdicts {
  /** The one that was asked for last is last. */
  readonly #bySignature = new Map<string, Verdicts>()

  of(signature: string): Verdicts {
    const known = this.#bySignature.get(signature) ?? new Verdicts()
    this.#bySignature.delete(signature)
    this.#bySignature.set(signature, known)
    if (this.#bySignature.size > SIGNATURES_MAX) {
      const [oldest] = this.#bySignature.keys()
      this.#bySignature.delete(oldest as string)
    }
    return known
  }
}
