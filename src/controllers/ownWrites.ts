/**
 * Reading one's own writes: a controller that created or deleted something must not decide again before its cache shows it
 * (upstream's expectations). Revisions make that exact: a write is seen once its informer has reached the write's revision.
 */
import type { KubeObject } from '../api/resource.ts'

/** Keys that are never asked for again (their objects are gone) must not gather: the longest unused are dropped. */
const KEYS_MAX = 10_000

export class OwnWrites {
  readonly #newest = new Map<string, bigint>()

  /** `written` is what the API answered to a write for `key`. */
  wrote(key: string, written: unknown): void {
    const revision = (written as Partial<KubeObject> | undefined)?.metadata?.resourceVersion
    if (!revision) return
    const known = this.#newest.get(key)
    if (known !== undefined && BigInt(revision) <= known) return
    this.#newest.delete(key)
    this.#newest.set(key, BigInt(revision))
    if (this.#newest.size <= KEYS_MAX) return
    const [oldest] = this.#newest.keys()
    if (oldest !== undefined) this.#newest.delete(oldest)
  }

  /** Whether the cache shows every write for `key`. */
  seenBy(key: string, cache: { readonly resourceVersion: string }): boolean {
    const newest = this.#newest.get(key)
    if (newest === undefined) return true
    if (!cache.resourceVersion || BigInt(cache.resourceVersion) < newest) return false
    this.#newest.delete(key)
    return true
  }
}

/** The event that makes a cache catch up brings the key back; this is for the case that it never comes. */
export const CACHE_LAG_RECHECK_MS = 5_000
