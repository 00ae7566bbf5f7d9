/** When history is forgotten: what is older than a few minutes, or more than a number of revisions back. */
import type { Clock } from '../base/clock.ts'

/** A list page's continue token or an interrupted watch can be taken up again for so long. */
export const HISTORY_AGE_MAX_MS = 5 * 60_000
/** Whatever its age, no more history than this is kept. */
export const HISTORY_REVISIONS_MAX = 50_000
const CHECK_INTERVAL_MS = 60_000
/** The revision limit is looked at once in so many revisions. */
const CHECK_REVISIONS = 2_000

export interface CompactionState {
  revision: number
  compacted: number
}

/** Calls `compact` with the revision to keep from. An idle store sets no timers once its history is forgotten. */
export class CompactionSchedule {
  readonly #clock: Clock
  readonly #compact: (revision: number) => void
  readonly #state: () => CompactionState
  /** Which revision was the newest at which time, oldest first; at most one for each check interval within the age limit. */
  #marks: { atMs: number; revision: number }[] = []
  #cancelTimer: (() => void) | undefined
  #lastCheckedRevision: number

  constructor(options: { clock: Clock; state: () => CompactionState; compact: (revision: number) => void }) {
    this.#clock = options.clock
    this.#state = options.state
    this.#compact = options.compact
    this.#lastCheckedRevision = options.state().revision
    this.#schedule()
  }

  /** To be called after each commit. */
  committed(): void {
    this.#schedule()
    const { revision, compacted } = this.#state()
    if (revision - this.#lastCheckedRevision < CHECK_REVISIONS) return
    this.#lastCheckedRevision = revision
    if (revision - HISTORY_REVISIONS_MAX > compacted) this.#compact(revision - HISTORY_REVISIONS_MAX)
  }

  stop(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#marks = []
  }

  #schedule(): void {
    const { revision, compacted } = this.#state()
    if (this.#cancelTimer || revision === compacted) return
    this.#marks.push({ atMs: this.#clock.now(), revision })
    this.#cancelTimer = this.#clock.after(CHECK_INTERVAL_MS, () => {
      this.#cancelTimer = undefined
      this.#compactByAge()
      this.#schedule()
    })
  }

  #compactByAge(): void {
    const oldestMs = this.#clock.now() - HISTORY_AGE_MAX_MS
    const old = this.#marks.findLast(({ atMs }) => atMs <= oldestMs)
    if (!old) return
    this.#marks = this.#marks.filter(({ atMs }) => atMs > oldestMs)
    if (old.revision > this.#state().compacted) this.#compact(old.revision)
  }
}
