/**
 * The scheduling queue: pods to try now by priority, pods that failed and wait for their backoff, and pods that cannot be
 * placed until something in the cluster changes (upstream's active, backoff and unschedulable queues).
 */
import { KeyedBackoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import type { Pod } from '../api/kinds/core/v1.ts'

const BACKOFF = { baseMs: 1_000, maxMs: 10_000 }
/** An unschedulable pod is tried again after this even when nothing seems to have changed. */
const LONGEST_UNSCHEDULABLE_MS = 5 * 60_000

interface Waiting {
  pod: Pod
  sequence: number
  /** Not to be tried again before. */
  backoffUntilMs: number
}

export class SchedulingQueue {
  readonly #clock: Clock
  readonly #backoff = new KeyedBackoff(BACKOFF)
  readonly #active = new Map<string, Waiting>()
  readonly #backingOff = new Map<string, { waiting: Waiting; cancel: () => void }>()
  readonly #unschedulable = new Map<string, { waiting: Waiting; cancel: () => void }>()
  /** A change that came while a pod was being tried counts for that pod as well. */
  #movesSeen = 0
  #sequence = 0
  #wake: PromiseWithResolvers<void> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many pods wait, by queue. */
  get lengths(): { active: number; backoff: number; unschedulable: number } {
    return { active: this.#active.size, backoff: this.#backingOff.size, unschedulable: this.#unschedulable.size }
  }

  /** A pod that is new or whose spec changed: it is tried at once. */
  add(pod: Pod): void {
    this.#take(pod.metadata.uid)
    this.#activate({ pod, sequence: this.#sequence++, backoffUntilMs: 0 })
  }

  /** Keeps the newest object of a pod that waits; it stays where it is. */
  refresh(pod: Pod): void {
    const uid = pod.metadata.uid
    const waiting = this.#active.get(uid) ?? this.#backingOff.get(uid)?.waiting ?? this.#unschedulable.get(uid)?.waiting
    if (waiting) waiting.pod = pod
  }

  has(uid: string): boolean {
    return this.#active.has(uid) || this.#backingOff.has(uid) || this.#unschedulable.has(uid)
  }

  delete(uid: string): void {
    this.#take(uid)
    this.#backoff.forget(uid)
  }

  /** The next pod to try; undefined once the signal aborts. `moves` goes back in with `failed`. */
  async next(signal: AbortSignal): Promise<{ pod: Pod; moves: number } | undefined> {
    const onAbort = (): void => this.#wake?.resolve()
    signal.addEventListener('abort', onAbort)
    try {
      while (!signal.aborted) {
        const first = this.#first()
        if (first) {
          this.#active.delete(first.pod.metadata.uid)
          return { pod: first.pod, moves: this.#movesSeen }
        }
        this.#wake = Promise.withResolvers<void>()
        await this.#wake.promise
      }
      return undefined
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** The pod could not be placed. It waits for a change in the cluster, or for its backoff where one came meanwhile. */
  failed(pod: Pod, moves: number): void {
    const uid = pod.metadata.uid
    if (this.has(uid)) return
    const waiting = this.#failure(pod)
    if (moves !== this.#movesSeen) return this.#backOff(waiting)
    const cancel = this.#clock.after(LONGEST_UNSCHEDULABLE_MS, () => {
      this.#unschedulable.delete(uid)
      this.#activate(waiting)
    })
    this.#unschedulable.set(uid, { waiting, cancel })
  }

  /** The pod had a place and could not be bound to it: it is tried again after its backoff, whatever happens meanwhile. */
  retry(pod: Pod): void {
    if (!this.has(pod.metadata.uid)) this.#backOff(this.#failure(pod))
  }

  #failure(pod: Pod): Waiting {
    return { pod, sequence: this.#sequence++, backoffUntilMs: this.#clock.now() + this.#backoff.next(pod.metadata.uid) }
  }

  succeeded(uid: string): void {
    this.#backoff.forget(uid)
  }

  /** Something changed that may let pods fit: all (or the chosen) unschedulable pods are tried again once their backoff is over. */
  moveAll(concerns: (pod: Pod) => boolean = () => true): void {
    this.#movesSeen++
    for (const [uid, { waiting, cancel }] of this.#unschedulable) {
      if (!concerns(waiting.pod)) continue
      cancel()
      this.#unschedulable.delete(uid)
      this.#backOff(waiting)
    }
  }

  #backOff(waiting: Waiting): void {
    const uid = waiting.pod.metadata.uid
    const delayMs = waiting.backoffUntilMs - this.#clock.now()
    if (delayMs <= 0) return this.#activate(waiting)
    const cancel = this.#clock.after(delayMs, () => {
      this.#backingOff.delete(uid)
      this.#activate(waiting)
    })
    this.#backingOff.set(uid, { waiting, cancel })
  }

  #activate(waiting: Waiting): void {
    this.#active.set(waiting.pod.metadata.uid, waiting)
    this.#wake?.resolve()
    this.#wake = undefined
  }

  #take(uid: string): void {
    this.#backingOff.get(uid)?.cancel()
    this.#unschedulable.get(uid)?.cancel()
    this.#active.delete(uid)
    this.#backingOff.delete(uid)
    this.#unschedulable.delete(uid)
  }

  /** Highest priority first, then the one that waits longest. */
  #first(): Waiting | undefined {
    let first: Waiting | undefined
    for (const waiting of this.#active.values()) {
      const priority = waiting.pod.spec.priority ?? 0
      const best = first?.pod.spec.priority ?? 0
      if (!first || priority > best || (priority === best && waiting.sequence < first.sequence)) first = waiting
    }
    return first
  }
}
