/**
 * The work queue of controllers (client-go's rate limiting queue): a key waits at most once, is handed to one worker at a
 * time, and comes again after its work when it was added meanwhile.
 */
import { KeyedBackoff, type BackoffOptions } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'

export interface WorkQueueOptions {
  clock: Clock
  backoff: BackoffOptions
}

export class WorkQueue {
  readonly #clock: Clock
  readonly #backoff: KeyedBackoff
  /** In order of arrival. */
  readonly #ready = new Set<string>()
  readonly #inWork = new Set<string>()
  readonly #again = new Set<string>()
  readonly #delayed = new Map<string, { dueMs: number; cancel: () => void }>()
  readonly #waiting: ((key: string | undefined) => void)[] = []
  #closed = false

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock
    this.#backoff = new KeyedBackoff(options.backoff)
  }

  get length(): number {
    return this.#ready.size
  }

  add(key: string): void {
    if (this.#closed) return
    if (this.#inWork.has(key)) {
      this.#again.add(key)
      return
    }
    if (this.#ready.has(key)) return
    const worker = this.#waiting.shift()
    if (worker) {
      this.#inWork.add(key)
      worker(key)
    } else {
      this.#ready.add(key)
    }
  }

  /** The earliest of several delays of a key counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return
    if (delayMs <= 0) return this.add(key)
    const dueMs = this.#clock.now() + delayMs
    const known = this.#delayed.get(key)
    if (known && known.dueMs <= dueMs) return
    known?.cancel()
    const cancel = this.#clock.after(delayMs, () => {
      this.#delayed.delete(key)
      // The system's timers are cut at some 25 days: wait on for the rest.
      this.addAfter(key, dueMs - this.#clock.now())
    })
    this.#delayed.set(key, { dueMs, cancel })
  }

  /** Adds the key after its backoff, which doubles with every call until `forget`. */
  addRateLimited(key: string): void {
    this.addAfter(key, this.#backoff.next(key))
  }

  forget(key: string): void {
    this.#backoff.forget(key)
  }

  failures(key: string): number {
    return this.#backoff.failures(key)
  }

  /** The next key, for the caller to work on until it calls `done`; undefined once the queue is closed. */
  next(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined)
    for (const key of this.#ready) {
      this.#ready.delete(key)
      this.#inWork.add(key)
      return Promise.resolve(key)
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  done(key: string): void {
    this.#inWork.delete(key)
    if (this.#again.delete(key)) this.add(key)
  }

  close(): void {
    this.#closed = true
    for (const { cancel } of this.#delayed.values()) cancel()
    this.#delayed.clear()
    this.#ready.clear()
    for (const worker of this.#waiting.splice(0)) worker(undefined)
  }
}
