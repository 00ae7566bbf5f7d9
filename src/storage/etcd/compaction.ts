/**
 * Forgets etcd's history as upstream's compactor does (k8s.io/apiserver/pkg/storage/etcd3/compact.go), with the same key, so
 * that of several API servers on one etcd just one compacts each time, and another goes on when that one is gone.
 */
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { KeyExistsError } from '../store.ts'
import type { KeyValue } from './messages.ts'

/** History is kept for one to two of these. */
export const COMPACTION_INTERVAL_MS = 5 * 60_000
/** Its changes are the claim to compact; it holds the last revision that was forgotten. */
const CLAIM_KEY = 'compact_rev_key'

export interface SharedCompactionOptions {
  clock: Clock
  log: Logger
  compact(revision: number): Promise<void>
  read(key: string): Promise<{ kv: KeyValue | undefined; revision: number }>
  /** KeyExistsError unless the key is at `expected` (0: not there). */
  write(key: string, value: Uint8Array, expected: number): Promise<{ modRevision: number }>
}

export class SharedCompaction {
  readonly #options: SharedCompactionOptions
  #cancel: () => void = () => {}
  /** The claim's revision and the newest one when it was last looked at. */
  #seen: { claim: number; revision: number } | undefined

  constructor(options: SharedCompactionOptions) {
    this.#options = options
    this.#schedule()
  }

  stop(): void {
    this.#cancel()
    this.#cancel = () => {}
  }

  #schedule(): void {
    const { clock, log } = this.#options
    this.#cancel = clock.after(COMPACTION_INTERVAL_MS, () => {
      this.#schedule()
      this.#round().catch((error: unknown) => log.error('the history of etcd was not compacted', error))
    })
  }

  async #round(): Promise<void> {
    const { read, write, compact } = this.#options
    const before = this.#seen
    const { kv, revision } = await read(CLAIM_KEY)
    const claim = kv?.mod_revision ?? 0
    this.#seen = { claim, revision }
    // Somebody else has compacted meanwhile, or this is the first look.
    if (!before || before.claim !== claim) return
    try {
      const { modRevision } = await write(CLAIM_KEY, Buffer.from(String(before.revision)), claim)
      this.#seen = { claim: modRevision, revision }
    } catch (error) {
      if (error instanceof KeyExistsError) return
      throw error
    }
    await compact(before.revision)
  }
}
