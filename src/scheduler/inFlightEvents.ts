/** Pods that are being tried, and what changes meanwhile: that counts for them as well. */
import type { ClusterEvent } from './events.ts'

/** With more events than this during one attempt, the attempt counts as hit by a change. */
const EVENTS_MAX = 10_000
/** Cutting off a few at a time would make a long list quadratic. */
const CUT_MIN = 64

export class InFlightEvents {
  /** With the place among the events where the attempt began; the oldest attempt first. */
  readonly #from = new Map<string, number>()
  #events: ClusterEvent[] = []
  #dropped = 0

  get count(): number {
    return this.#events.length
  }

  has(uid: string): boolean {
    return this.#from.has(uid)
  }

  begin(uid: string): void {
    this.#from.set(uid, this.#dropped + this.#events.length)
  }

  end(uid: string): void {
    if (!this.#from.delete(uid)) return
    const [oldest = this.#dropped + this.#events.length] = this.#from.values()
    const drop = oldest - this.#dropped
    if (drop > CUT_MIN || drop === this.#events.length) this.#drop(drop)
  }

  remember(event: ClusterEvent): void {
    if (this.#from.size === 0) return
    this.#events.push(event)
    if (this.#events.length > EVENTS_MAX) this.#drop(EVENTS_MAX / 2)
  }

  /** What changed during a pod's attempt; undefined where too much did. */
  since(uid: string): readonly ClusterEvent[] | undefined {
    const from = this.#from.get(uid)
    if (from === undefined) return []
    return from < this.#dropped ? undefined : this.#events.slice(from - this.#dropped)
  }

  #drop(count: number): void {
    this.#events = this.#events.slice(count)
    this.#dropped += count
  }
}
