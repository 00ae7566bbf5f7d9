/** When failed daemon pods may be replaced: at once the first time, then ever later, so that a broken daemon does not spin. */
import { Backoff } from '../../base/backoff.ts'

const FAILED_BACKOFF = { baseMs: 1_000, maxMs: 15 * 60_000 }
/** After so long without a failure a place starts over (upstream's flowcontrol.Backoff: twice the longest delay). */
const QUIET_AFTER_MS = 2 * FAILED_BACKOFF.maxMs

interface Place {
  backoff: Backoff
  notBeforeMs: number
}

/** By place: a DaemonSet's template on a node. */
export class FailedPodBackoff {
  readonly #places = new Map<string, Place>()

  /** Milliseconds until a failed pod may be replaced there. */
  leftMs(place: string, nowMs: number): number {
    return Math.max(0, (this.#places.get(place)?.notBeforeMs ?? 0) - nowMs)
  }

  replaced(place: string, nowMs: number): void {
    for (const [other, { notBeforeMs }] of this.#places) if (notBeforeMs + QUIET_AFTER_MS <= nowMs) this.#places.delete(other)
    const known = this.#places.get(place) ?? { backoff: new Backoff(FAILED_BACKOFF), notBeforeMs: 0 }
    known.notBeforeMs = nowMs + known.backoff.next()
    this.#places.set(place, known)
  }
}
