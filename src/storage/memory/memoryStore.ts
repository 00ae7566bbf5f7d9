/**
 * The store without a disk: for tests, and the simplest statement of the store's contract. It keeps every version of
 * every key until history is compacted: by hand, once it is longer than HISTORY_REVISIONS_MAX, or, given a clock, by its age.
 */
import type { Clock } from '../../base/clock.ts'
import { CompactionSchedule } from '../historyAge.ts'
import { compareKeys } from '../keyOrder.ts'
import {
  CompactedError,
  FutureRevisionError,
  KeyExistsError,
  RevisionMismatchError,
  StoreUnavailableError,
  type Entry,
  type ListOptions,
  type ListResult,
  type Store,
  type StoreEvent,
  type WatchOptions,
} from '../store.ts'
import { keyOf, revisionOf, WatchHub } from '../watchHub.ts'

export const HISTORY_REVISIONS_MAX = 20_000
/** History may exceed its limit by so much before it is cut, so that cutting is rare. */
const HISTORY_SLACK = 2_000

class MemoryStore implements Store {
  readonly #current = new Map<string, Entry>()
  /** Index 0 is the change of revision `#compacted + 1`. */
  #history: StoreEvent[] = []
  #compacted = 0
  #closed = false
  readonly #hub = new WatchHub((prefix, after, limit) => this.#replay(prefix, after, limit))
  readonly #schedule: CompactionSchedule | undefined

  constructor(clock: Clock | undefined) {
    this.#schedule =
      clock &&
      new CompactionSchedule({
        clock,
        state: () => ({ revision: this.#newest, compacted: this.#compacted }),
        compact: (revision) => this.#forget(revision),
      })
  }

  get #newest(): number {
    return this.#compacted + this.#history.length
  }

  async revision(): Promise<number> {
    this.#assertOpen()
    return this.#newest
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#assertOpen()
    return this.#current.get(key)
  }

  async list(prefix: string, { revision = this.#newest, limit, after }: ListOptions = {}): Promise<ListResult> {
    this.#assertOpen()
    const all = [...this.#stateAt(revision).values()]
      .filter(({ key }) => key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0))
      .sort((a, b) => compareKeys(a.key, b.key))
    const entries = limit === undefined ? all : all.slice(0, limit)
    return { entries, revision, remaining: all.length - entries.length }
  }

  async assertReadable(revision: number): Promise<void> {
    this.#assertOpen()
    this.#assertKept(revision)
  }

  async create(key: string, value: Uint8Array): Promise<Entry> {
    this.#assertOpen()
    if (this.#current.has(key)) throw new KeyExistsError(key)
    const revision = this.#newest + 1
    return this.#put({ key, value, createRevision: revision, modRevision: revision }, undefined)
  }

  async update(key: string, value: Uint8Array, expected: number): Promise<Entry> {
    const previous = this.#expect(key, expected)
    return this.#put({ ...previous, value, modRevision: this.#newest + 1 }, previous)
  }

  async delete(key: string, expected: number): Promise<number> {
    const previous = this.#expect(key, expected)
    this.#current.delete(key)
    const revision = this.#newest + 1
    this.#commit({ type: 'delete', key, revision, previous })
    return revision
  }

  watch(prefix: string, options: WatchOptions): AsyncIterable<readonly StoreEvent[]> {
    this.#assertOpen()
    return this.#hub.watch(prefix, options)
  }

  async compact(revision: number): Promise<void> {
    this.#assertOpen()
    if (revision > this.#newest) throw new FutureRevisionError(revision, this.#newest)
    this.#forget(revision)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#schedule?.stop()
    this.#hub.close()
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreUnavailableError('the store is closed')
  }

  #assertKept(revision: number): void {
    if (revision < this.#compacted) throw new CompactedError(revision, this.#compacted)
  }

  #expect(key: string, expected: number): Entry {
    this.#assertOpen()
    const current = this.#current.get(key)
    if (current?.modRevision !== expected) throw new RevisionMismatchError(key, expected, current)
    return current
  }

  #put(entry: Entry, previous: Entry | undefined): Entry {
    this.#current.set(entry.key, entry)
    this.#commit({ type: 'put', entry, previous })
    return entry
  }

  #commit(event: StoreEvent): void {
    this.#history.push(event)
    if (this.#history.length > HISTORY_REVISIONS_MAX + HISTORY_SLACK) this.#forget(this.#newest - HISTORY_REVISIONS_MAX)
    this.#hub.publish([event])
    this.#schedule?.committed()
  }

  #forget(revision: number): void {
    if (revision <= this.#compacted) return
    this.#history = this.#history.slice(revision - this.#compacted)
    this.#compacted = revision
  }

  /** The newest state with the changes since taken back. */
  #stateAt(revision: number): ReadonlyMap<string, Entry> {
    if (revision > this.#newest) throw new FutureRevisionError(revision, this.#newest)
    this.#assertKept(revision)
    if (revision === this.#newest) return this.#current
    const state = new Map(this.#current)
    for (const event of this.#history.slice(revision - this.#compacted).toReversed()) {
      if (event.previous) state.set(keyOf(event), event.previous)
      else state.delete(keyOf(event))
    }
    return state
  }

  #replay(prefix: string, after: number, limit: number): readonly StoreEvent[] {
    this.#assertOpen()
    this.#assertKept(after)
    const events: StoreEvent[] = []
    for (let i = after - this.#compacted; i < this.#history.length && events.length < limit; i++) {
      const event = this.#history[i] as StoreEvent
      if (revisionOf(event) > after && keyOf(event).startsWith(prefix)) events.push(event)
    }
    return events
  }
}

export function createMemoryStore({ clock }: { clock?: Clock } = {}): Store {
  return new MemoryStore(clock)
}
