/** etcd_request_duration_seconds and its companions, of whichever store there is. */
import type { Registry } from 'prom-client'
import type { Store } from '../../storage/store.ts'
import { prefixOfKey, resourceOfPrefix } from '../cache/keys.ts'
import { TalliedCounter, TalliedHistogram } from '../../client/metrics/tallies.ts'
import type { Distribution, Tally } from '../../client/metrics/tallies.ts'

/** Upstream's names of the operations that the store's methods are. */
const OPERATIONS: Readonly<Record<string, string>> = { get: 'get', list: 'list', create: 'create', update: 'update', delete: 'delete' }
const BUCKETS_SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]

/** Keys that are no objects are counted by their first two folders. */
function prefixOfAny(key: string): string {
  return prefixOfKey(key) ?? key.split('/', 3).join('/')
}

/** What is counted of one operation on one kind of object. */
interface StoreRow {
  labels: Record<string, string>
  duration: Distribution
  requests: Tally
  errors: Tally | undefined
}

export class StoreMetrics {
  readonly #duration = new TalliedHistogram({
    name: 'etcd_request_duration_seconds',
    help: 'How long the store took, by operation and kind of object.',
    buckets: BUCKETS_SECONDS,
  })
  readonly #requests = new TalliedCounter({
    name: 'etcd_requests_total',
    help: 'Requests to the store, by operation and kind of object.',
  })
  readonly #errors = new TalliedCounter({
    name: 'etcd_request_errors_total',
    help: 'Requests that the store refused, by operation and kind of object.',
  })

  register(registry: Registry): void {
    for (const metric of [this.#duration, this.#requests, this.#errors]) metric.register(registry)
  }

  /** The same store, its requests timed. */
  timed<S extends Store>(store: S): S {
    const wrapped = new Map<PropertyKey, unknown>()
    return new Proxy(store, {
      get: (target, name) => {
        const known = wrapped.get(name)
        if (known !== undefined) return known
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        const method = value.bind(target) as (...args: unknown[]) => unknown
        const operation = typeof name === 'string' ? OPERATIONS[name] : undefined
        const made = operation === undefined ? method : this.#timed(operation, method)
        wrapped.set(name, made)
        return made
      },
    })
  }

  #timed(operation: string, method: (...args: unknown[]) => unknown): (...args: unknown[]) => Promise<unknown> {
    /** By the prefix of the kind. */
    const rows = new Map<string, StoreRow>()
    return async (...args) => {
      const [key] = args
      const prefix = prefixOfAny(typeof key === 'string' ? key : '')
      let row = rows.get(prefix)
      if (!row) rows.set(prefix, (row = this.#row(operation, prefix)))
      const startMs = performance.now()
      row.requests.add()
      try {
        return await method(...args)
      } catch (error) {
        row.errors ??= this.#errors.row(row.labels)
        row.errors.add()
        throw error
      } finally {
        row.duration.observe((performance.now() - startMs) / 1000)
      }
    }
  }

  #row(operation: string, prefix: string): StoreRow {
    const labels = { operation, ...resourceOfPrefix(prefix) }
    return { labels, duration: this.#duration.row(labels), requests: this.#requests.row(labels), errors: undefined }
  }
}
