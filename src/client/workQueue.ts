/**
 * The work queue of controllers (client-go's rate limiting queue): a key waits at most once, is handed to one worker at a
 * time, and comes again after its work when it was added meanwhile.
 */
import { KeyedBackoff, type BackoffOptions } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import type { QueueMetrics, QueueObserver } from './metrics/queueMetrics.ts'

export interface WorkQueueOptions {
  clock: Clock
  backoff: BackoffOptions
  /** Its name in the metrics, and where they are kept; nothing is measured unless given. */
  name?: string
  metrics?: QueueMetrics | undefined
}

export class WorkQueue {
  readonly #clock: Clock
  readonly #backoff: KeyedBackoff
  readonly #observer: QueueObserver | undefined
  /** In order of arrival, with the time of it. */
  readonly #ready = new Map<string, number>()
  /** With the time at which the work began. */
  readonly #inWork = new Map<string, number>()
  readonly #again = new Set<string>()
  readonly #delayed = new Map<string, { dueMs: number; cancel: () => void }>()
  readonly #waiting: ((key: string | undefined) => void)[] = []
  #closed = false

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock
    this.#backoff = new KeyedBackoff(options.backoff)
    const inWork = this.#inWork
    const ready = this.#ready
    this.#observer = options.metrics?.observe(options.name ?? '', {
      get length() {
        return ready.size
      },
      get startedMs() {
        return inWork.values()
      },
    })
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
    this.#observer?.added.add()
    const worker = this.#waiting.shift()
    const nowMs = this.#observer ? performance.now() : 0
    if (worker) {
      this.#begin(key, nowMs, nowMs)
      worker(key)
    } else {
      this.#ready.set(key, nowMs)
    }
  }

  #begin(key: string, arrivedMs: number, nowMs: number): void {
    this.#inWork.set(key, nowMs)
    this.#observer?.waited.observe((nowMs - arrivedMs) / 1000)
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
    this.#observer?.retried.add()
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
    for (const [key, arrivedMs] of this.#ready) {
      this.#ready.delete(key)
      this.#begin(key, arrivedMs, this.#observer ? performance.now() : 0)
      return Promise.resolve(key)
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  done(key: string): void {
    const startMs = this.#inWork.get(key)
    if (this.#observer && startMs !== undefined) this.#observer.worked.observe((performance.now() - startMs) / 1000)
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
