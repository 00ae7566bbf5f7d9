/**
 * A watch of etcd that outlives its connection: it is taken up again after the last revision that was handed out whole, so
 * the reader sees each change once and in order, or is told that history is gone.
 */
import { Backoff } from '../../base/backoff.ts'
import type { Logger } from '../../base/logger.ts'
import { prefixEnd } from '../keyOrder.ts'
import { CompactedError, SlowWatcherError, StoreUnavailableError, type StoreEvent } from '../store.ts'
import { revisionOf, WATCH_BUFFER_EVENTS_MAX } from '../watchHub.ts'
import { etcdMessage, type EtcdConnection, type WatchStream } from './connection.ts'
import { bytesOf, END_OF_KEYS, keyText, toEntry } from './keys.ts'
import { EVENT_DELETE, WATCH, type WatchRequest, type WatchResponse } from './messages.ts'
import type { Message } from './wire.ts'

const RECONNECT_BACKOFF = { baseMs: 50, maxMs: 2_000 }

export interface EtcdWatchOptions {
  connection: EtcdConnection
  /** Whole, with `keyPrefix`. */
  prefix: string
  keyPrefix: string
  afterRevision: number
  signal: AbortSignal
  /** Aborts when the store closes. */
  closed: AbortSignal
  log: Logger
  /** Throws CompactedError. */
  assertReadable(revision: number): Promise<void>
}

type Ending = { type: 'error'; error: Error } | { type: 'broken'; error: unknown }

/** One stream's life: what has come and was not read yet, and how it ended. */
class Reading {
  readonly #options: EtcdWatchOptions
  #stream: WatchStream | undefined
  /** Parts of an answer that etcd has cut. */
  #fragments: StoreEvent[] = []
  #events: StoreEvent[] = []
  #ending: Ending | undefined
  #waiting: PromiseWithResolvers<void> | undefined
  readonly created = Promise.withResolvers<void>()

  constructor(options: EtcdWatchOptions) {
    this.#options = options
    this.created.promise.catch(() => {})
  }

  async start(afterRevision: number): Promise<void> {
    const { connection, prefix } = this.#options
    const stream = await connection.stream(WATCH)
    this.#stream = stream
    stream.on('data', (message: Message) => this.#receive(message as unknown as WatchResponse))
    stream.on('error', (error: unknown) => this.#end({ type: 'broken', error }))
    stream.on('end', () => this.#end({ type: 'broken', error: new Error('etcd ended the stream') }))
    const end = prefixEnd(prefix)
    const request: WatchRequest = {
      create_request: {
        key: prefix === '' ? END_OF_KEYS : bytesOf(prefix),
        range_end: end === undefined ? END_OF_KEYS : bytesOf(end),
        start_revision: afterRevision + 1,
        progress_notify: true,
        prev_kv: true,
        fragment: true,
      },
    }
    stream.write(request as Message)
    await this.created.promise
  }

  #receive(response: WatchResponse): void {
    if (response.canceled) {
      const { compact_revision: oldest = 0, cancel_reason: reason = 'etcd cancelled the watch' } = response
      const error = oldest > 0 ? new CompactedError(this.#options.afterRevision, oldest) : new StoreUnavailableError(reason)
      this.#end({ type: 'error', error })
      return
    }
    if (response.created) this.created.resolve()
    for (const event of response.events ?? []) this.#fragments.push(this.#toEvent(event))
    if (response.fragment) return
    if (this.#fragments.length === 0) return
    this.#events = this.#events.length === 0 ? this.#fragments : this.#events.concat(this.#fragments)
    this.#fragments = []
    if (this.#events.length > WATCH_BUFFER_EVENTS_MAX) {
      this.#events = []
      const { prefix } = this.#options
      this.#end({
        type: 'error',
        error: new SlowWatcherError(`the watcher of ${prefix} is more than ${WATCH_BUFFER_EVENTS_MAX} events behind`),
      })
    }
    this.wake()
  }

  #toEvent({ type, kv, prev_kv }: NonNullable<WatchResponse['events']>[number]): StoreEvent {
    const { length } = this.#options.keyPrefix
    const previous = prev_kv && toEntry(prev_kv, length)
    if (type !== EVENT_DELETE) return { type: 'put', entry: toEntry(kv, length), previous }
    const key = keyText(kv.key, length)
    // What the key held was compacted while the event was on its way: the deletion is all that is left to tell.
    const gone = { key, value: new Uint8Array(0), createRevision: 0, modRevision: 0 }
    return { type: 'delete', key, revision: kv.mod_revision, previous: previous ?? gone }
  }

  #end(ending: Ending): void {
    this.#ending ??= ending
    this.created.reject(ending.error)
    this.#stream?.cancel()
    this.wake()
  }

  wake(): void {
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  /** What has come, or how the stream has ended; undefined after an abort. */
  async take(aborted: () => boolean): Promise<readonly StoreEvent[] | Ending | undefined> {
    while (!aborted()) {
      if (this.#events.length > 0) {
        const batch = this.#events
        this.#events = []
        return batch
      }
      if (this.#ending) return this.#ending
      this.#waiting = Promise.withResolvers<void>()
      await this.#waiting.promise
    }
    return undefined
  }

  stop(): void {
    this.#stream?.on('error', () => {})
    this.#stream?.cancel()
  }
}

export async function* watchEtcd(options: EtcdWatchOptions): AsyncGenerator<readonly StoreEvent[], void> {
  const { signal, closed, log } = options
  const backoff = new Backoff(RECONNECT_BACKOFF)
  let position = options.afterRevision
  const aborted = (): boolean => signal.aborted || closed.aborted
  let reading: Reading | undefined
  const onAbort = (): void => {
    reading?.wake()
    reading?.stop()
    reading?.created.reject(new StoreUnavailableError('the store is closed'))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  closed.addEventListener('abort', onAbort, { once: true })
  try {
    while (!aborted()) {
      reading = new Reading(options)
      try {
        await reading.start(position)
        // Etcd hands out what is left of a history that was cut right behind the start; a deletion may be missing there.
        await options.assertReadable(position)
        for (;;) {
          const taken = await reading.take(aborted)
          if (!taken) break
          if ('type' in taken) throw taken.error
          backoff.reset()
          position = revisionOf(taken.at(-1) as StoreEvent)
          yield taken
        }
      } catch (error) {
        if (aborted()) break
        if (error instanceof CompactedError || error instanceof SlowWatcherError) throw error
        log.warn('the watch of etcd broke, taking it up again', { position, error: etcdMessage(error) })
        await new Promise((resolve) => setTimeout(resolve, backoff.next()))
      } finally {
        reading.stop()
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    closed.removeEventListener('abort', onAbort)
  }
  if (!signal.aborted) throw new StoreUnavailableError('the store is closed')
}
