/** Forgets the store's history after a while, as upstream's compactor does, so that it does not grow without end. */
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Store } from '../../storage/store.ts'
import type { WatchCache } from '../cache/watchCache.ts'

/** History is kept for one to two of these. */
const COMPACTION_INTERVAL_MS = 5 * 60_000

export class Compaction {
  readonly #options: { store: Store; cache: WatchCache; clock: Clock; log: Logger }
  #cancel: () => void = () => {}
  #lastRevision: number

  constructor(options: { store: Store; cache: WatchCache; clock: Clock; log: Logger }) {
    this.#options = options
    this.#lastRevision = options.cache.revision
    this.#schedule()
  }

  stop(): void {
    this.#cancel()
  }

  #schedule(): void {
    this.#cancel = this.#options.clock.after(COMPACTION_INTERVAL_MS, () => {
      void this.#compact().finally(() => this.#schedule())
    })
  }

  async #compact(): Promise<void> {
    const { store, cache, log } = this.#options
    const before = this.#lastRevision
    this.#lastRevision = cache.revision
    if (before === cache.revision || before === 0) return
    await store.compact(before).catch((error: unknown) => log.error('the history of the store could not be compacted', error))
  }
}
