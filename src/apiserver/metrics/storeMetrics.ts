/** etcd_request_duration_seconds and its companions, of whichever store there is. */
import { Counter, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'
import type { Store } from '../../storage/store.ts'
import { prefixOfKey } from '../cache/keys.ts'

/** Upstream's names of the operations that the store's methods are. */
const OPERATIONS: Readonly<Record<string, string>> = { get: 'get', list: 'list', create: 'create', update: 'update', delete: 'delete' }
const BUCKETS_SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const LABELS = ['operation', 'group', 'resource']

/** Of `/registry/pods/…`, or `/registry/<group>/<resource>/…`. */
function kindOfKey(key: unknown): { group: string; resource: string } {
  const text = typeof key === 'string' ? key : ''
  const parts = (prefixOfKey(text) ?? text).split('/').slice(2)
  const [first = '', second = ''] = parts
  return second ? { group: first, resource: second } : { group: '', resource: first }
}

export class StoreMetrics {
  readonly #duration = new Histogram({
    name: 'etcd_request_duration_seconds',
    help: 'How long the store took, by operation and kind of object.',
    registers: [],
    labelNames: LABELS,
    buckets: BUCKETS_SECONDS,
  })
  readonly #requests = new Counter({
    name: 'etcd_requests_total',
    help: 'Requests to the store, by operation and kind of object.',
    registers: [],
    labelNames: LABELS,
  })
  readonly #errors = new Counter({
    name: 'etcd_request_errors_total',
    help: 'Requests that the store refused, by operation and kind of object.',
    registers: [],
    labelNames: LABELS,
  })

  register(registry: Registry): void {
    for (const metric of [this.#duration, this.#requests, this.#errors]) registry.registerMetric(metric as Counter)
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
    return async (...args) => {
      const labels = { operation, ...kindOfKey(args[0]) }
      const startMs = performance.now()
      this.#requests.inc(labels)
      try {
        return await method(...args)
      } catch (error) {
        this.#errors.inc(labels)
        throw error
      } finally {
        this.#duration.observe(labels, (performance.now() - startMs) / 1000)
      }
    }
  }
}
