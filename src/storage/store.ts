/**
 * The contract of a revisioned key-value store with watch, after etcd's KV and Watch APIs: what the API server needs of
 * it and nothing else. `sqlite/`, `etcd/` and `memory/` implement it; `contract.ts` is the test suite that all of them pass.
 *
 * Revisions: each successful write gets the next revision, starting at 1; they never fall, also not after a crash.
 * A resolved write is durable (sqlite: fsynced) and visible to every read and watch that starts later.
 */

export interface Entry {
  readonly key: string
  /** An object's JSON. */
  readonly value: Uint8Array
  readonly createRevision: number
  readonly modRevision: number
}

/** One committed change. `entry.modRevision` is its revision, for a delete as well. */
export type StoreEvent =
  | { readonly type: 'put'; readonly entry: Entry; readonly previous: Entry | undefined }
  | { readonly type: 'delete'; readonly key: string; readonly revision: number; readonly previous: Entry }

export interface ListOptions {
  /** At this revision instead of the newest. CompactedError if it is gone, FutureRevisionError if it is not there yet. */
  revision?: number
  /** At most so many entries. */
  limit?: number
  /** Only keys after this one. */
  after?: string
}

export interface ListResult {
  /** In byte order of their keys. */
  entries: readonly Entry[]
  /** The revision that the result shows. */
  revision: number
  /** How many entries under the prefix come after the last one of this page. */
  remaining: number
}

export interface WatchOptions {
  /** Events after this revision (exclusive). */
  afterRevision: number
  signal: AbortSignal
}

export interface Store {
  /** Other processes write to it too: what this one has seen may be behind `revision()`. */
  readonly shared?: boolean
  /** The newest revision. */
  revision(): Promise<number>
  get(key: string): Promise<Entry | undefined>
  /** Entries whose key begins with `prefix`. */
  list(prefix: string, options?: ListOptions): Promise<ListResult>
  /** KeyExistsError if the key is there. */
  create(key: string, value: Uint8Array): Promise<Entry>
  /** RevisionMismatchError unless the key is at `expected` (a modRevision). */
  update(key: string, value: Uint8Array, expected: number): Promise<Entry>
  /** Like update; answers the revision of the deletion. */
  delete(key: string, expected: number): Promise<number>
  /** CompactedError if what a list at this revision would show is gone. A revision that is to come is not. */
  assertReadable(revision: number): Promise<void>
  /**
   * Every change under `prefix` after a revision, in order, without gap or double, in batches of one or more. Ends when the
   * signal aborts. Throws CompactedError if the start is gone, SlowWatcherError if the reader stays behind too far.
   */
  watch(prefix: string, options: WatchOptions): AsyncIterable<readonly StoreEvent[]>
  /** Forgets history before `revision`; reads at an older one throw CompactedError from then on. */
  compact(revision: number): Promise<void>
  /**
   * Writes a copy of everything, as it is at one moment, to a file that does not exist yet, while the store goes on; the store
   * opens such a file like its own. Only for stores that own their data.
   */
  backup?(path: string): Promise<void>
  close(): Promise<void>
}

export class KeyExistsError extends Error {
  override readonly name = 'KeyExistsError'
  constructor(key: string) {
    super(`key exists: ${key}`)
  }
}

/** The key is at another revision than expected, or gone (`current` is undefined then). */
export class RevisionMismatchError extends Error {
  override readonly name = 'RevisionMismatchError'
  readonly current: Entry | undefined
  constructor(key: string, expected: number, current: Entry | undefined) {
    super(`key ${key} is not at revision ${expected} but ${current ? `at ${current.modRevision}` : 'gone'}`)
    this.current = current
  }
}

export class CompactedError extends Error {
  override readonly name = 'CompactedError'
  /** The oldest revision that can still be read. */
  readonly oldest: number
  constructor(revision: number, oldest: number) {
    super(`revision ${revision} has been compacted, the oldest is ${oldest}`)
    this.oldest = oldest
  }
}

export class FutureRevisionError extends Error {
  override readonly name = 'FutureRevisionError'
  readonly current: number
  constructor(revision: number, current: number) {
    super(`revision ${revision} is not there yet, the newest is ${current}`)
    this.current = current
  }
}

export class SlowWatcherError extends Error {
  override readonly name = 'SlowWatcherError'
}

/** The database is not ours, is damaged, or cannot be written (disk full): nothing was changed. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError'
}
