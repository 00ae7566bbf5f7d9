/**
 * Shared informers (client-go's reflector, store and shared informer in one): list, then watch from the list's revision.
 * A watch that ends is resumed from the last revision seen; one whose revision is gone is listed again, and the difference
 * is told as changes. The cache holds the very objects that the transport answered.
 */
import { isAbort, orAbort } from '../base/abort.ts'
import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { keyOf, type KubeObject, type Resource } from '../api/resource.ts'
import { isExpired } from '../api/status.ts'
import type { Client, WatchEvent } from './client.ts'
import type { Change, Informer, InformerOptions, Informers } from './informer.ts'

export interface InformersOptions {
  client: Client
  signal: AbortSignal
  log: Logger
  clock: Clock
}

const RETRY_BACKOFF = { baseMs: 100, maxMs: 30_000 }
/** A watch that lasted this long before it ended is resumed after the shortest wait. */
const STABLE_WATCH_MS = 1_000

interface Index<T> {
  valuesOf: (object: T) => readonly string[]
  buckets: Map<string, Map<string, T>>
}

const NONE: readonly never[] = []

class SharedInformer<T extends KubeObject> implements Informer<T> {
  readonly resource: Resource<T>
  readonly #selection: InformerOptions
  readonly #options: InformersOptions
  readonly #items = new Map<string, T>()
  readonly #byNamespace = new Map<string, Map<string, T>>()
  readonly #indices = new Map<string, Index<T>>()
  readonly #listeners = new Set<(change: Change<T>) => void>()
  readonly #firstList = Promise.withResolvers<void>()
  #synced = false
  #seen = ''
  #mustList = true

  constructor(resource: Resource<T>, selection: InformerOptions, options: InformersOptions) {
    this.resource = resource
    this.#selection = selection
    this.#options = options
    this.#firstList.promise.catch(() => {})
  }

  get hasSynced(): boolean {
    return this.#synced
  }

  get resourceVersion(): string {
    return this.#seen
  }

  get(key: string): T | undefined {
    return this.#items.get(key)
  }

  list(namespace?: string): readonly T[] {
    if (namespace === undefined || namespace === '') return [...this.#items.values()]
    const inNamespace = this.#byNamespace.get(namespace)
    return inNamespace ? [...inNamespace.values()] : NONE
  }

  byIndex(index: string, value: string): readonly T[] {
    const found = this.#indices.get(index)
    if (!found) throw new Error(`informer of ${this.resource.resource} has no index ${index}`)
    const bucket = found.buckets.get(value)
    return bucket ? [...bucket.values()] : NONE
  }

  addIndex(name: string, valuesOf: (object: T) => readonly string[]): void {
    if (this.#indices.has(name)) return
    const index: Index<T> = { valuesOf, buckets: new Map() }
    this.#indices.set(name, index)
    for (const [key, object] of this.#items) addTo(index, key, object)
  }

  onChange(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener)
    for (const [key, after] of this.#items) this.#tell(listener, { key, before: undefined, after })
    return () => this.#listeners.delete(listener)
  }

  async synced(signal?: AbortSignal): Promise<void> {
    await (signal ? orAbort(this.#firstList.promise, signal) : this.#firstList.promise)
  }

  async run(): Promise<void> {
    const { signal, clock, log } = this.#options
    const backoff = new Backoff(RETRY_BACKOFF)
    while (!signal.aborted) {
      const startedMs = clock.now()
      try {
        if (this.#mustList) await this.#listAll()
        await this.#watch()
      } catch (error) {
        if (signal.aborted) break
        if (isExpired(error)) this.#mustList = true
        else if (!isAbort(error)) log.warn('list or watch failed', { resource: this.resource.resource, cause: String(error) })
      }
      if (clock.now() - startedMs >= STABLE_WATCH_MS) backoff.reset()
      await clock.sleep(backoff.next(), signal).catch(() => {})
    }
    this.#firstList.reject(signal.reason as Error)
  }

  async #listAll(): Promise<void> {
    const { client, signal } = this.#options
    const list = await client.list(this.resource, { ...this.#selection, signal })
    this.#seen = list.resourceVersion
    this.#replace(list.items)
    this.#mustList = false
    this.#synced = true
    this.#firstList.resolve()
  }

  async #watch(): Promise<void> {
    const { client, signal } = this.#options
    for await (const event of client.watch(this.resource, { ...this.#selection, resourceVersion: this.#seen, signal })) {
      this.#apply(event)
    }
  }

  #apply(event: WatchEvent<T>): void {
    if (event.type === 'BOOKMARK') {
      this.#seen = event.resourceVersion
      return
    }
    this.#seen = event.object.metadata.resourceVersion
    const key = keyOf(event.object)
    if (event.type === 'DELETED') this.#set(key, undefined, event.object)
    else this.#set(key, event.object)
  }

  /** What is not in `objects` is gone; what has another revision has changed. */
  #replace(objects: readonly T[]): void {
    const seen = new Set<string>()
    for (const object of objects) {
      const key = keyOf(object)
      seen.add(key)
      const known = this.#items.get(key)
      if (known && known.metadata.uid !== object.metadata.uid) this.#set(key, undefined)
      if (known?.metadata.resourceVersion !== object.metadata.resourceVersion) this.#set(key, object)
    }
    for (const key of this.#items.keys()) if (!seen.has(key)) this.#set(key, undefined)
  }

  /** `last` is the final state of a deleted object, which listeners get as `before`. */
  #set(key: string, after: T | undefined, last?: T): void {
    const known = this.#items.get(key)
    if (!known && !after) return
    if (known && after) this.#replaceOne(key, known, after)
    else if (known) this.#forget(key, known)
    else if (after) this.#remember(key, after)
    const change = { key, before: after ? known : (last ?? known), after }
    for (const listener of Array.from(this.#listeners)) this.#tell(listener, change)
  }

  #remember(key: string, object: T): void {
    this.#items.set(key, object)
    const { namespace } = object.metadata
    if (namespace) put(this.#byNamespace, namespace, key, object)
    for (const index of this.#indices.values()) addTo(index, key, object)
  }

  /** Most changes leave an object where it was in the indices. */
  #replaceOne(key: string, before: T, after: T): void {
    this.#items.set(key, after)
    const { namespace } = after.metadata
    if (namespace) put(this.#byNamespace, namespace, key, after)
    for (const index of this.#indices.values()) {
      const values = index.valuesOf(after)
      for (const value of index.valuesOf(before)) if (!values.includes(value)) drop(index.buckets, value, key)
      for (const value of values) put(index.buckets, value, key, after)
    }
  }

  #forget(key: string, object: T): void {
    this.#items.delete(key)
    const { namespace } = object.metadata
    if (namespace) drop(this.#byNamespace, namespace, key)
    for (const index of this.#indices.values()) for (const value of index.valuesOf(object)) drop(index.buckets, value, key)
  }

  #tell(listener: (change: Change<T>) => void, change: Change<T>): void {
    try {
      listener(change)
    } catch (error) {
      this.#options.log.error('informer listener threw', error, { resource: this.resource.resource, key: change.key })
    }
  }
}

function addTo<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.valuesOf(object)) put(index.buckets, value, key, object)
}

function put<T>(buckets: Map<string, Map<string, T>>, value: string, key: string, object: T): void {
  let bucket = buckets.get(value)
  if (!bucket) buckets.set(value, (bucket = new Map()))
  bucket.set(key, object)
}

function drop<T>(buckets: Map<string, Map<string, T>>, value: string, key: string): void {
  const bucket = buckets.get(value)
  bucket?.delete(key)
  if (bucket?.size === 0) buckets.delete(value)
}

/** One informer for each resource and selection, shared by all that ask; all of them end with `signal`. */
export function createInformers(options: InformersOptions): Informers {
  const running = new Map<string, Informer<KubeObject>>()
  return {
    for<T extends KubeObject>(resource: Resource<T>, selection: InformerOptions = {}): Informer<T> {
      const { namespace = '', labelSelector = '', fieldSelector = '' } = selection
      const id = [resource.group, resource.version, resource.resource, namespace, labelSelector, fieldSelector].join('|')
      const known = running.get(id)
      if (known) return known as unknown as Informer<T>
      const informer = new SharedInformer<T>(resource, selection, options)
      running.set(id, informer)
      void informer.run()
      return informer
    },
  }
}

/** The same informers for one user of them, whose listeners end with `signal`: a component that is started again leaves none behind. */
export function informersUntil(signal: AbortSignal, informers: Informers): Informers {
  return {
    for<T extends KubeObject>(resource: Resource<T>, selection?: InformerOptions): Informer<T> {
      const shared = informers.for(resource, selection)
      return {
        resource: shared.resource,
        get hasSynced() {
          return shared.hasSynced
        },
        get resourceVersion() {
          return shared.resourceVersion
        },
        get: (key) => shared.get(key),
        list: (namespace) => shared.list(namespace),
        byIndex: (index, value) => shared.byIndex(index, value),
        addIndex: (index, valuesOf) => shared.addIndex(index, valuesOf),
        synced: (waiting) => shared.synced(waiting),
        onChange(listener) {
          if (signal.aborted) return () => {}
          const end = shared.onChange(listener)
          signal.addEventListener('abort', end, { once: true })
          return () => {
            signal.removeEventListener('abort', end)
            end()
          }
        },
      }
    },
  }
}
