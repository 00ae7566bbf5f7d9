/**
 * Reading one's own writes: a controller that created or deleted something must not decide again before its cache shows it
 * (upstream's expectations). Revisions make that exact: a write is seen once its informer has reached the write's revision.
 */
import type { KubeObject } from '../api/resource.ts'
import { StatusError } from '../api/status.ts'

/** Keys that are never asked for again (their objects are gone) must not gather: the longest unused are dropped. */
const KEYS_MAX = 10_000

/** Whether a write that failed so may have taken effect all the same: the answer was lost, not the request refused. */
function leavesOpen(error: unknown): boolean {
  return !(error instanceof StatusError) || error.code >= 500
}

export class OwnWrites {
  readonly #newest = new Map<string, bigint>()
  /** Keys of which it is not known whether their last write took effect. */
  readonly #open = new Set<string>()

  /** Keeps in mind what comes of a write for `key`. */
  async track<T>(key: string, write: Promise<T>): Promise<T> {
    try {
      const written = await write
      this.wrote(key, written)
      return written
    } catch (error) {
      if (leavesOpen(error)) this.#open.add(key)
      throw error
    }
  }

  /**
   * Before anything is decided for `key`: where an answer was lost, `look` asks the API for what there is, and the cache must
   * show that first. Names that the server makes up would else be made twice.
   */
  async clearUp(key: string, look: () => Promise<{ items: readonly KubeObject[] }>): Promise<void> {
    if (!this.#open.has(key)) return
    const { items } = await look()
    this.#open.delete(key)
    for (const item of items) this.wrote(key, item)
  }

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
