/**
 * Events are kept for a while after they were last written (upstream's --event-ttl, where etcd forgets them by itself), and go
 * without a request: nobody asked for it, so nothing admits or audits it. Watchers see a deletion.
 */
import { events } from '../../api/kinds/core/v1.ts'
import type { KubeObject } from '../../api/resource.ts'
import { isAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { RevisionMismatchError, type Store } from '../../storage/store.ts'
import { prefixOf } from '../cache/keys.ts'
import type { StoredObject } from '../cache/storedObject.ts'
import type { WatchCache } from '../cache/watchCache.ts'

export const EVENT_TTL_MS = 3_600_000
/** Looking at all events costs next to nothing, but not every second. */
const SHORTEST_INTERVAL_MS = 30_000
/** More than these wait for the others, so that other writes have their turn. */
const DELETIONS_AT_ONCE = 100

/** Times that the server itself has set. */
function writtenMs({ metadata }: KubeObject): number {
  const times = [metadata.creationTimestamp, ...(metadata.managedFields ?? []).map(({ time }) => time)]
  return Math.max(...times.map((time) => Date.parse(time ?? '')).filter((ms) => !Number.isNaN(ms)), 0)
}

/** Which are to go, and how long to wait for the next one. */
export function planExpiry(
  stored: Iterable<Pick<StoredObject, 'key' | 'revision' | 'object'>>,
  nowMs: number,
  ttlMs: number,
): { expired: { key: string; revision: number }[]; waitMs: number } {
  const expired: { key: string; revision: number }[] = []
  let waitMs = ttlMs
  for (const { key, revision, object } of stored) {
    const leftMs = writtenMs(object) + ttlMs - nowMs
    if (leftMs <= 0) expired.push({ key, revision })
    else waitMs = Math.min(waitMs, leftMs)
  }
  return { expired, waitMs: Math.max(waitMs, Math.min(SHORTEST_INTERVAL_MS, ttlMs)) }
}

export interface EventExpiryOptions {
  store: Store
  cache: WatchCache
  clock: Clock
  log: Logger
  ttlMs: number
}

/** Until the result is called. */
export function expireEvents({ store, cache, clock, log, ttlMs }: EventExpiryOptions): () => Promise<void> {
  const stop = new AbortController()
  const kept = cache.resource(prefixOf(events, false))
  const remove = async ({ key, revision }: { key: string; revision: number }): Promise<void> => {
    await store.delete(key, revision).catch((error: unknown) => {
      // It was written again, or somebody else was faster.
      if (!(error instanceof RevisionMismatchError)) throw error
    })
  }
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const { expired, waitMs } = planExpiry(kept.values(), clock.now(), ttlMs)
      try {
        for (let at = 0; at < expired.length && !stop.signal.aborted; at += DELETIONS_AT_ONCE)
          await Promise.all(expired.slice(at, at + DELETIONS_AT_ONCE).map(remove))
      } catch (error) {
        log.warn('events whose time is over were not removed', { error: String(error) })
      }
      await clock.sleep(waitMs, stop.signal)
    }
  }
  const running = run().catch((error: unknown) => {
    if (!isAbort(error)) log.error('events do not go any more', error)
  })
  return async () => {
    stop.abort()
    await running
  }
}
