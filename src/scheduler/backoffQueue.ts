/**
 * Pods that wait out their backoff (kube-scheduler's backoffQ). Backoffs end with the whole second, so that those which end in the
 * same one leave in the order of the pods that are tried now, whenever in that second each of them failed.
 */
import type { Clock } from '../base/clock.ts'
import { KeyedHeap } from './heap.ts'

const WINDOW_MS = 1_000

const windowOf = (timeMs: number): number => Math.floor(timeMs / WINDOW_MS) * WINDOW_MS

export interface BackingOff {
  /** Plugins that refused it at its last attempt; none after an error. */
  readonly refusedBy: ReadonlySet<string>
  /** The second in which the backoff ends; 0 where there is none. */
  readonly backoffUntilMs: number
}

export interface BackoffQueueOptions<T> {
  clock: Clock
  initialMs: number
  maxMs: number
  /** The order in which pods are tried. */
  isBefore(a: T, b: T): boolean
  /** Called with each one whose backoff is over; it is not in the queue any more. */
  onOver(one: T): void
}

export class BackoffQueue<T extends BackingOff> {
  readonly #options: BackoffQueueOptions<T>
  /** They may be tried early while nothing else is to do. */
  readonly #refused: KeyedHeap<T>
  /** Their attempt ended in an error: they wait in any case. */
  readonly #failed = new KeyedHeap<T>((a, b) => a.backoffUntilMs < b.backoffUntilMs)
  #cancelTimer: (() => void) | undefined
  #timerMs = Infinity

  constructor(options: BackoffQueueOptions<T>) {
    this.#options = options
    this.#refused = new KeyedHeap((a, b) =>
      a.backoffUntilMs === b.backoffUntilMs ? options.isBefore(a, b) : a.backoffUntilMs < b.backoffUntilMs,
    )
  }

  get size(): number {
    return this.#refused.size + this.#failed.size
  }

  get(uid: string): T | undefined {
    return this.#refused.get(uid) ?? this.#failed.get(uid)
  }

  /** @returns `backoffUntilMs` of a pod that fails now, for the `count`th time in a row */
  until(count: number): number {
    const { clock, initialMs, maxMs } = this.#options
    return windowOf(clock.now() + Math.min(maxMs, initialMs * 2 ** Math.min(count - 1, 30)))
  }

  isOver({ backoffUntilMs }: T): boolean {
    return backoffUntilMs === 0 || backoffUntilMs < windowOf(this.#options.clock.now())
  }

  push(uid: string, one: T): void {
    const heap = one.refusedBy.size > 0 ? this.#refused : this.#failed
    heap.push(uid, one)
    this.#setTimer()
  }

  /** The refused one whose backoff ends first, before it does. */
  popEarly(): T | undefined {
    return this.#refused.pop()
  }

  delete(uid: string): T | undefined {
    return this.#refused.delete(uid) ?? this.#failed.delete(uid)
  }

  stop(): void {
    this.#cancelTimer?.()
  }

  #setTimer(): void {
    const endsMs = Math.min(...[this.#refused, this.#failed].map((heap) => heap.peek()?.backoffUntilMs ?? Infinity))
    const dueMs = endsMs + WINDOW_MS
    if (dueMs >= this.#timerMs) return
    const { clock } = this.#options
    this.#cancelTimer?.()
    this.#timerMs = dueMs
    this.#cancelTimer = clock.after(Math.max(0, dueMs - clock.now()), () => this.#windowOver())
  }

  #windowOver(): void {
    this.#timerMs = Infinity
    for (const heap of [this.#refused, this.#failed])
      for (let one = heap.peek(); one && this.isOver(one); one = heap.peek()) {
        heap.pop()
        this.#options.onOver(one)
      }
    this.#setTimer()
  }
}
