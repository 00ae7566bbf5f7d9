/**
 * The watch cache (k8s.io/apiserver/pkg/storage/cacher): every object in memory beside its JSON bytes, kept current by ONE
 * watch of the whole store, so that reads never wait for the disk and a change is decoded and encoded once for everybody.
 *
 * Contract: a write that the store has acknowledged is waited for with `observed(revision)` before it is answered, so
 * every later read sees it. Objects are immutable and shared.
 */
import { Backoff } from '../../base/backoff.ts'
import { isAbort } from '../../base/abort.ts'
import { newServiceUnavailable } from '../../api/status.ts'
import { ROOT, prefixOfKey } from './keys.ts'
import { ResourceCache } from './resourceCache.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { KubeObject } from '../../api/resource.ts'
import { CompactedError, type Entry, type Store, type StoreEvent } from '../../storage/store.ts'
import { UnreadableValueError } from './storedValues.ts'
import type { StoredValues } from './storedValues.ts'
import type { StoredObject } from './storedObject.ts'

export interface WatchCacheOptions {
  store: Store
  values: StoredValues
  clock: Clock
  log: Logger
}

/** A change as listeners inside the server get it: in order, after the cache shows it. */
export interface ObjectChange {
  key: string
  before: KubeObject | undefined
  after: KubeObject | undefined
}

interface UnreadableEntry {
  prefix: string
  entry: Entry
  error: UnreadableValueError
}

/** How many changes from before its start a cache takes over. */
const RECENT_REVISIONS = 1_000
const RETRY_BACKOFF = { baseMs: 50, maxMs: 5_000 }

export class WatchCache {
  readonly #store: Store
  readonly #values: StoredValues
  readonly #clock: Clock
  readonly #log: Logger
  readonly #byPrefix = new Map<string, ResourceCache>()
  readonly #listeners = new Map<string, Set<(change: ObjectChange) => void>>()
  #waiting: { revision: number; resolve: () => void; reject: (error: Error) => void }[] = []
  #revision = 0
  #startRevision = 0
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: WatchCacheOptions) {
    this.#store = options.store
    this.#values = options.values
    this.#values.onChange(() => this.#readAgain())
    this.#clock = options.clock
    this.#log = options.log
  }

  /** Fills the cache; from then on it follows the store until `close`. */
  async start(): Promise<void> {
    const newest = await this.#store.revision()
    await this.#fillFrom(Math.max(0, newest - RECENT_REVISIONS))
    this.#running = this.#follow()
    await this.observed(newest)
  }

  /** With what has changed since `revision` as the past, or with as much of it as the store has: watches outlive a restart so. */
  async #fillFrom(revision: number): Promise<void> {
    try {
      await this.#fill(revision)
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error
      // It may be compacted again meanwhile.
      await this.#fill(error.oldest).catch(() => this.#fill())
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    for (const cache of this.#byPrefix.values()) cache.endWatchers()
    for (const { reject } of this.#waiting.splice(0)) reject(newServiceUnavailable('the server is shutting down'))
    await this.#running
  }

  /** The revision that the cache shows. */
  get revision(): number {
    return this.#revision
  }

  /** The cache of the objects under `/registry/…/`. */
  resource(prefix: string): ResourceCache {
    let cache = this.#byPrefix.get(prefix)
    if (!cache) this.#byPrefix.set(prefix, (cache = new ResourceCache(prefix, this.#startRevision)))
    return cache
  }

  resources(): Iterable<ResourceCache> {
    return this.#byPrefix.values()
  }

  /** Calls back for every change under `prefix`, first for everything there; the result ends it. */
  onChange(prefix: string, listener: (change: ObjectChange) => void): () => void {
    const listeners = this.#listeners.get(prefix) ?? new Set()
    this.#listeners.set(prefix, listeners)
    listeners.add(listener)
    for (const { key, object } of this.resource(prefix).values()) listener({ key, before: undefined, after: object })
    return () => listeners.delete(listener)
  }

  /** Resolves once the cache shows `revision`. */
  observed(revision: number): Promise<void> | undefined {
    if (revision <= this.#revision) return undefined
    return new Promise((resolve, reject) => this.#waiting.push({ revision, resolve, reject }))
  }

  async #fill(at?: number): Promise<void> {
    const { entries, revision } = await this.#store.list(ROOT, at === undefined ? {} : { revision: at })
    const before = new Map([...this.#byPrefix.values()].flatMap((cache) => [...cache.values()]).map((o) => [o.key, o.object]))
    const byPrefix = new Map<string, StoredObject[]>([...this.#byPrefix.keys()].map((prefix) => [prefix, []]))
    const unreadable: UnreadableEntry[] = []
    for (const entry of entries) {
      const prefix = prefixOfKey(entry.key)
      if (!prefix) continue
      const objects = byPrefix.get(prefix) ?? []
      byPrefix.set(prefix, objects)
      const stored = this.#decode(entry)
      if (stored instanceof UnreadableValueError) unreadable.push({ prefix, entry, error: stored })
      else objects.push(stored)
    }
    this.#startRevision = revision
    for (const [prefix, objects] of byPrefix) {
      this.resource(prefix).replace(objects, revision)
      for (const { key, object } of objects) this.#notify(prefix, { key, before: before.get(key), after: object })
      for (const { key } of objects) before.delete(key)
    }
    for (const { prefix, entry, error } of unreadable) {
      before.delete(entry.key)
      this.resource(prefix).hide(entry, error)
    }
    for (const [key, object] of before) this.#notify(prefixOfKey(key) as string, { key, before: object, after: undefined })
    this.#advance(revision)
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop
    const backoff = new Backoff(RETRY_BACKOFF)
    let refill = false
    while (!signal.aborted) {
      try {
        if (refill) await this.#fill()
        refill = true
        // All keys, also those that are no objects: so that no revision passes unseen, whoever writes to the store.
        for await (const batch of this.#store.watch('', { afterRevision: this.#revision, signal })) {
          this.#applyBatch(batch)
          backoff.reset()
        }
      } catch (error) {
        if (signal.aborted || isAbort(error)) break
        this.#log.error('the watch of the store broke, filling the cache anew', error)
      }
      if (signal.aborted) break
      await this.#clock.sleep(backoff.next(), signal).catch(() => {})
    }
  }

  #applyBatch(batch: readonly StoreEvent[]): void {
    const touched = new Set<ResourceCache>()
    for (const event of batch) {
      const key = event.type === 'put' ? event.entry.key : event.key
      const revision = event.type === 'put' ? event.entry.modRevision : event.revision
      const prefix = prefixOfKey(key)
      if (prefix && revision > this.#startRevision) {
        const cache = this.resource(prefix)
        const after = event.type === 'put' ? this.#decode(event.entry) : undefined
        if (after instanceof UnreadableValueError) {
          cache.hide((event as StoreEvent & { type: 'put' }).entry, after)
          this.#revision = Math.max(this.#revision, revision)
          continue
        }
        const change = cache.apply(key, after, revision)
        touched.add(cache)
        this.#notify(prefix, { key, before: change.before?.object, after: after?.object })
      }
      this.#revision = Math.max(this.#revision, revision)
    }
    for (const cache of touched) cache.flush()
    this.#advance(this.#revision)
  }

  /** What nobody can read is kept from those who ask for it; all else goes on. */
  #decode(entry: Entry): StoredObject | UnreadableValueError {
    try {
      return this.#values.decode(entry)
    } catch (error) {
      if (!(error instanceof UnreadableValueError)) throw error
      this.#log.error('an object in the store cannot be read', error)
      return error
    }
  }

  /** Values that could not be read until now. */
  #readAgain(): void {
    for (const cache of this.#byPrefix.values()) {
      for (const entry of cache.hidden()) {
        const stored = this.#decode(entry)
        if (stored instanceof UnreadableValueError) continue
        cache.show(stored, this.#revision)
        this.#notify(cache.prefix, { key: entry.key, before: undefined, after: stored.object })
      }
    }
  }

  #notify(prefix: string, change: ObjectChange): void {
    for (const listener of this.#listeners.get(prefix) ?? []) listener(change)
  }

  #advance(revision: number): void {
    this.#revision = revision
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const waiter of waiting) {
      if (waiter.revision <= revision) waiter.resolve()
      else this.#waiting.push(waiter)
    }
  }
}
