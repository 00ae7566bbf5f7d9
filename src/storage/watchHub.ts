/**
 * Hands committed events to watchers: first what history still has after the watcher's start, then each commit as it
 * happens. Replay and registration touch within one synchronous step, so nothing is lost or doubled between them.
 */
import { SlowWatcherError, StoreUnavailableError, type StoreEvent, type WatchOptions } from './store.ts'

/** A watcher that has this many events waiting is ended with SlowWatcherError. */
export const WATCH_BUFFER_EVENTS_MAX = 10_000
/** History is replayed in batches of this size, so that a long replay doesn't block other work. */
export const REPLAY_EVENTS_MAX = 500

/**
 * At most `limit` events under `prefix` after a revision, in order. Throws CompactedError. Fewer than `limit` means that
 * these are all there are.
 */
export type Replay = (prefix: string, afterRevision: number, limit: number) => readonly StoreEvent[]

export function revisionOf(event: StoreEvent): number {
  return event.type === 'put' ? event.entry.modRevision : event.revision
}

export function keyOf(event: StoreEvent): string {
  return event.type === 'put' ? event.entry.key : event.key
}

class Watcher {
  readonly #prefix: string
  readonly #afterRevision: number
  #events: StoreEvent[] = []
  #error: Error | undefined
  #waiting: PromiseWithResolvers<void> | undefined

  constructor(prefix: string, afterRevision: number) {
    this.#prefix = prefix
    this.#afterRevision = afterRevision
  }

  /** False once this watcher takes no more. */
  push(events: readonly StoreEvent[]): boolean {
    for (const event of events) {
      if (keyOf(event).startsWith(this.#prefix) && revisionOf(event) > this.#afterRevision) this.#events.push(event)
    }
    if (this.#events.length > WATCH_BUFFER_EVENTS_MAX) {
      this.fail(new SlowWatcherError(`the watcher of ${this.#prefix} is more than ${WATCH_BUFFER_EVENTS_MAX} events behind`))
      return false
    }
    if (this.#events.length > 0) this.wake()
    return true
  }

  fail(error: Error): void {
    this.#error = error
    this.#events = []
    this.wake()
  }

  wake(): void {
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  /** What is waiting, or undefined after the signal's abort. */
  async take(signal: AbortSignal): Promise<readonly StoreEvent[] | undefined> {
    while (!signal.aborted) {
      if (this.#error) throw this.#error
      if (this.#events.length > 0) {
        const batch = this.#events
        this.#events = []
        return batch
      }
      this.#waiting = Promise.withResolvers<void>()
      await this.#waiting.promise
    }
    return undefined
  }
}

export class WatchHub {
  readonly #watchers = new Set<Watcher>()
  readonly #replay: Replay

  constructor(replay: Replay) {
    this.#replay = replay
  }

  publish(events: readonly StoreEvent[]): void {
    for (const watcher of this.#watchers) {
      if (!watcher.push(events)) this.#watchers.delete(watcher)
    }
  }

  async *watch(prefix: string, { afterRevision, signal }: WatchOptions): AsyncGenerator<readonly StoreEvent[], void> {
    let position = afterRevision
    for (;;) {
      if (signal.aborted) return
      const page = this.#replay(prefix, position, REPLAY_EVENTS_MAX)
      const last = page.at(-1)
      if (!last || page.length < REPLAY_EVENTS_MAX) {
        yield* this.#follow(prefix, position, signal, page)
        return
      }
      position = revisionOf(last)
      yield page
    }
  }

  async *#follow(
    prefix: string,
    afterRevision: number,
    signal: AbortSignal,
    replayed: readonly StoreEvent[],
  ): AsyncGenerator<readonly StoreEvent[], void> {
    const watcher = new Watcher(prefix, afterRevision)
    const onAbort = (): void => watcher.wake()
    this.#watchers.add(watcher)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      if (replayed.length > 0) yield replayed
      for (let batch = await watcher.take(signal); batch; batch = await watcher.take(signal)) yield batch
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#watchers.delete(watcher)
    }
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.fail(new StoreUnavailableError('the store is closed'))
    this.#watchers.clear()
  }
}
