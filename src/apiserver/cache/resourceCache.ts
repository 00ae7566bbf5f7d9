/** All objects of one resource, the changes of the recent past, and those who watch. */
import { SortedKeys } from './sortedKeys.ts'
import { CacheChange } from './cacheChange.ts'
import { CacheWatcher } from './cacheWatcher.ts'
import { newExpired, newInternalError } from '../../api/status.ts'
import type { Entry } from '../../storage/store.ts'
import type { StoredObject } from './storedObject.ts'
import type { WatchFilter } from './cacheWatcher.ts'

/** Changes kept for watchers that start in the past. */
const HISTORY_LIMIT = 1_000
/** What the history may hold on to beside the objects that are there: few large objects count as many small ones. */
const HISTORY_LIMIT_BYTES = 32 * 1024 * 1024

export class ResourceCache {
  readonly prefix: string
  readonly #byKey = new Map<string, StoredObject>()
  readonly #keys = new SortedKeys()
  /** What the store has and nobody can read: whoever asks for it, or for all, is told so. */
  readonly #hidden = new Map<string, { entry: Entry; error: Error }>()
  readonly #history: CacheChange[] = []
  #historyBytes = 0
  readonly #watchers = new Set<CacheWatcher>()
  /** Changes after this revision are all in the history. */
  #historyStart: number
  #lastChange: number

  constructor(prefix: string, startRevision: number) {
    this.prefix = prefix
    this.#historyStart = startRevision
    this.#lastChange = startRevision
  }

  get size(): number {
    return this.#byKey.size
  }

  /** The revision of the newest change: what the cache shows is the state of every revision from there on. */
  get lastChange(): number {
    return this.#lastChange
  }

  /** Throws an internal error where the store has it and nobody can read it. */
  get(key: string): StoredObject | undefined {
    const found = this.#byKey.get(key)
    if (!found && this.#hidden.size > 0) this.#assertReadable((hidden) => hidden === key)
    return found
  }

  /** In key order. Throws like `get`. */
  *under(prefix: string, after?: string): Iterable<StoredObject> {
    if (this.#hidden.size > 0) this.#assertReadable((hidden) => hidden.startsWith(prefix))
    for (const key of this.#keys.under(prefix, after)) yield this.#byKey.get(key) as StoredObject
  }

  countUnder(prefix: string, after?: string): number {
    return this.#keys.under(prefix, after).length
  }

  values(): Iterable<StoredObject> {
    return this.#byKey.values()
  }

  #assertReadable(isAsked: (key: string) => boolean): void {
    for (const [key, { error }] of this.#hidden) if (isAsked(key)) throw newInternalError(error.message)
  }

  /** A value that cannot be read; watchers, who would not hear of it, have to start over, and are told then. */
  hide(entry: Entry, error: Error): void {
    this.#hidden.set(entry.key, { entry, error })
    this.#byKey.delete(entry.key)
    this.#keys.delete(entry.key)
    this.#startOver(Math.max(this.#lastChange, entry.modRevision), newInternalError(error.message))
  }

  hidden(): readonly Entry[] {
    return [...this.#hidden.values()].map(({ entry }) => entry)
  }

  /** A hidden value that can be read now, at the store's `revision`. */
  show(object: StoredObject, revision: number): void {
    this.#hidden.delete(object.key)
    this.#byKey.set(object.key, object)
    this.#keys.add(object.key)
    this.#startOver(revision, newExpired('the watch cache was filled anew, list again'))
  }

  /** The past is forgotten. */
  #startOver(revision: number, why: Error): void {
    this.#history.length = 0
    this.#historyBytes = 0
    this.#historyStart = revision
    this.#lastChange = revision
    for (const watcher of [...this.#watchers]) watcher.end(why)
  }

  /** Everything anew, after a gap in the store's watch: the past is forgotten, watchers have to start over. */
  replace(objects: readonly StoredObject[], revision: number): void {
    this.#byKey.clear()
    for (const object of objects) this.#byKey.set(object.key, object)
    this.#keys.replace(this.#byKey.keys())
    this.#hidden.clear()
    this.#startOver(revision, newExpired('the watch cache was filled anew, list again'))
  }

  /** Applies one change; watchers get it with the next `flush`. */
  apply(key: string, after: StoredObject | undefined, revision: number): CacheChange {
    const before = this.#byKey.get(key)
    this.#hidden.delete(key)
    if (after) {
      this.#byKey.set(key, after)
      if (!before) this.#keys.add(key)
    } else {
      this.#byKey.delete(key)
      this.#keys.delete(key)
    }
    this.#lastChange = revision
    const change = new CacheChange(revision, before, after)
    this.#history.push(change)
    this.#historyBytes += change.sizeBytes
    if (this.#history.length > 2 * HISTORY_LIMIT || this.#historyBytes > 2 * HISTORY_LIMIT_BYTES) this.#trim()
    for (const watcher of this.#watchers) watcher.offer(change)
    return change
  }

  flush(): void {
    for (const watcher of this.#watchers) watcher.flush()
  }

  /**
   * A watcher of the changes after `afterRevision`. It throws Expired where they are not all known any more, and like `get`.
   * Nothing is missed between the call and the first read.
   */
  watch(filter: WatchFilter, afterRevision: number): CacheWatcher {
    if (this.#hidden.size > 0) this.#assertReadable(() => true)
    if (afterRevision < this.#historyStart) {
      throw newExpired(`too old resource version: ${afterRevision} (${this.#historyStart})`)
    }
    const watcher: CacheWatcher = new CacheWatcher(filter, () => this.#watchers.delete(watcher))
    for (const change of this.#history) if (change.revision > afterRevision) watcher.offer(change)
    watcher.flush()
    this.#watchers.add(watcher)
    return watcher
  }

  endWatchers(error?: Error): void {
    for (const watcher of [...this.#watchers]) watcher.end(error)
  }

  #trim(): void {
    let count = Math.max(0, this.#history.length - HISTORY_LIMIT)
    for (let i = 0; i < this.#history.length - 1 && (i < count || this.#historyBytes > HISTORY_LIMIT_BYTES); i++) {
      this.#historyBytes -= (this.#history[i] as CacheChange).sizeBytes
      count = Math.max(count, i + 1)
    }
    const dropped = this.#history.splice(0, count)
    this.#historyStart = (dropped.at(-1) ?? (this.#history[0] as CacheChange)).revision
  }
}
