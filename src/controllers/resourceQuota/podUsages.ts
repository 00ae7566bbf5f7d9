/** What many pods count for together. Most are like others: each kind is multiplied by how many there are of it. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { addQuantity, parseQuantity, type Quantity } from '../../api/quantity.ts'
import { podUsage, type Usage } from '../../api/quotaUsage.ts'

/** Kinds of pods told apart; when there are more, all are looked at anew. */
const KINDS_MAX = 1_000

type Amounts = Readonly<Record<string, Quantity>>

export class PodUsages {
  /** Objects of a cache never change: what one counts for is worked out once. */
  #ofPod = new WeakMap<Pod, Amounts>()
  /** One object for all pods that count for the same. */
  readonly #kinds = new Map<string, Amounts>()

  sum(pods: readonly Pod[]): Usage {
    const counts = new Map<Amounts, number>()
    for (const pod of pods) {
      const amounts = this.#of(pod)
      counts.set(amounts, (counts.get(amounts) ?? 0) + 1)
    }
    const sum: Record<string, Quantity> = {}
    for (const [amounts, count] of counts) {
      for (const name in amounts) {
        const { nanos, format } = amounts[name] as Quantity
        const all = { nanos: nanos * BigInt(count), format }
        const known = sum[name]
        sum[name] = known ? addQuantity(known, all) : all
      }
    }
    return sum
  }

  #of(pod: Pod): Amounts {
    const known = this.#ofPod.get(pod)
    if (known) return known
    let key = ''
    const amounts: Record<string, Quantity> = {}
    for (const [name, value] of Object.entries(podUsage(pod))) {
      const amount = typeof value === 'string' ? parseQuantity(value) : value
      amounts[name] = amount
      key += `${name}=${amount.nanos} ${amount.format};`
    }
    let kind: Amounts | undefined = this.#kinds.get(key)
    if (!kind) {
      if (this.#kinds.size >= KINDS_MAX) {
        this.#kinds.clear()
        this.#ofPod = new WeakMap()
      }
      this.#kinds.set(key, (kind = amounts))
    }
    this.#ofPod.set(pod, kind)
    return kind
  }
}
