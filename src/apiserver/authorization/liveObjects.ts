/**
 * The objects of one resource as the watch cache has them, followed by list and watch through the registry: what decisions
 * that must not wait (RBAC, node relationships) are made on. A change is here as soon as the cache has told its watchers.
 */
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import { keyOf } from '../../api/resource.ts'
import type { KubeObject } from '../../api/resource.ts'
import { isExpired } from '../../api/status.ts'
import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { loopbackRequest } from '../loopback.ts'
import type { Registry } from '../request.ts'

export interface LiveObjectsOptions<T extends KubeObject> {
  resource: CatalogResource
  /** After each change; `before` or `after` is undefined where the object is new or gone. */
  onChange?: (before: T | undefined, after: T | undefined) => void
  log: Logger
  clock: Clock
}

const RETRY = { baseMs: 20, maxMs: 5_000 }

export class LiveObjects<T extends KubeObject> {
  readonly #options: LiveObjectsOptions<T>
  readonly #byKey = new Map<string, T>()
  readonly #synced = Promise.withResolvers<void>()
  #revision = ''

  constructor(options: LiveObjectsOptions<T>) {
    this.#options = options
  }

  /** Resolves when the first list is in. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }

  get(key: string): T | undefined {
    return this.#byKey.get(key)
  }

  values(): IterableIterator<T> {
    return this.#byKey.values()
  }

  /** Follows the resource until the signal aborts. */
  async run(registry: Registry, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(RETRY)
    while (!signal.aborted) {
      try {
        await this.#list(registry, signal)
        this.#synced.resolve()
        backoff.reset()
        await this.#watch(registry, signal)
      } catch (error) {
        if (signal.aborted) return
        if (!isExpired(error))
          this.#options.log.warn('following a resource failed, listing again', {
            resource: this.#options.resource.resource,
            error: String(error),
          })
        await this.#options.clock.sleep(backoff.next(), signal).catch(() => {})
      }
    }
  }

  async #list(registry: Registry, signal: AbortSignal): Promise<void> {
    const result = await registry.handle(loopbackRequest('list', this.#options.resource, {}, signal))
    if (result.type !== 'list') throw new Error('a list request was answered with an object')
    const gone = new Map(this.#byKey)
    for (const { object } of result.items) {
      gone.delete(keyOf(object))
      this.#put(object as T)
    }
    for (const [key, object] of gone) this.#remove(key, object)
    this.#revision = result.metadata.resourceVersion
  }

  /** Goes on watching from where the last watch ended, until the revision is gone. */
  async #watch(registry: Registry, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const request = loopbackRequest(
        'watch',
        this.#options.resource,
        { query: { watch: 'true', resourceVersion: this.#revision, allowWatchBookmarks: 'true' } },
        signal,
      )
      for await (const batch of registry.watch(request)) {
        for (const { type, object } of batch) {
          this.#revision = object.metadata.resourceVersion ?? this.#revision
          if (type === 'BOOKMARK') continue
          if (type === 'DELETED') this.#remove(keyOf(object), object as T)
          else this.#put(object as T)
        }
      }
    }
  }

  #put(object: T): void {
    const key = keyOf(object)
    const before = this.#byKey.get(key)
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion && before?.metadata.uid === object.metadata.uid) return
    this.#byKey.set(key, object)
    this.#options.onChange?.(before, object)
  }

  #remove(key: string, object: T): void {
    this.#byKey.delete(key)
    this.#options.onChange?.(object, undefined)
  }
}
