/** One watcher of a resource's cache: what it wants to see, and what it has not read yet. */
import { newStatusError } from '../../api/status.ts'
import type { CacheChange } from './cacheChange.ts'
import type { SharedEvent, StoredObject } from './storedObject.ts'

/** Events that a watcher may leave unread before it is closed. */
const UNREAD_LIMIT = 10_000
const UNREAD_LIMIT_BYTES = 64 * 1024 * 1024

export interface WatchFilter {
  /** Only keys that begin with this: a resource, or a resource in a namespace. */
  prefix: string
  /** Selectors; everything unless given. */
  matches?: (object: StoredObject) => boolean
}

export class CacheWatcher {
  readonly #prefix: string
  readonly #matches: (object: StoredObject) => boolean
  readonly #onEnd: () => void
  #unread: SharedEvent[] = []
  #unreadBytes = 0
  #waiting: PromiseWithResolvers<void> | undefined
  #ended = false
  #error: Error | undefined

  constructor(filter: WatchFilter, onEnd: () => void) {
    this.#prefix = filter.prefix
    this.#matches = filter.matches ?? (() => true)
    this.#onEnd = onEnd
  }

  offer(change: CacheChange): void {
    const key = (change.after ?? change.before)?.key
    if (this.#ended || !key?.startsWith(this.#prefix)) return
    const event = change.eventFor(this.#matches)
    if (event) this.#push(event, change.sizeBytes)
  }

  /** For bookmarks. */
  send(event: SharedEvent): void {
    this.#push(event, 0)
    this.flush()
  }

  #push(event: SharedEvent, sizeBytes: number): void {
    if (this.#unread.length >= UNREAD_LIMIT || this.#unreadBytes > UNREAD_LIMIT_BYTES) {
      const { length } = this.#unread
      this.#forget()
      this.end(newStatusError(500, 'InternalError', `the watch is too slow: ${length} events were not read`))
      return
    }
    this.#unread.push(event)
    this.#unreadBytes += sizeBytes
  }

  /** Wakes the reader if there is something to read. */
  flush(): void {
    if (this.#unread.length > 0) this.#wake()
  }

  /** The reader gets what is left (one that is too slow gets nothing more), then `error` if there is one. */
  end(error?: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#onEnd()
    this.#wake()
  }

  #forget(): void {
    this.#unread = []
    this.#unreadBytes = 0
  }

  #wake(): void {
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  async *batches(): AsyncGenerator<readonly SharedEvent[]> {
    try {
      for (;;) {
        if (this.#unread.length > 0) {
          const batch = this.#unread
          this.#forget()
          yield batch
          continue
        }
        if (this.#ended) break
        this.#waiting = Promise.withResolvers<void>()
        await this.#waiting.promise
      }
      if (this.#error) throw this.#error
    } finally {
      this.end()
    }
  }
}
