/** WATCH: from now, from a revision of the recent past, or with everything there first; with bookmarks for those who want them. */
import { newStatusError } from '../../api/status.ts'
import { SharedEvent } from '../cache/storedObject.ts'
import { invalidResourceVersion } from './options.ts'
import { parseRevision } from './continueToken.ts'
import { waitForNewest, waitForRevision } from './lists.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { CacheWatcher } from '../cache/cacheWatcher.ts'
import type { ListRequest, ListSource } from './lists.ts'

const BOOKMARK_INTERVAL_MS = 60_000
/** A watch without a timeout ends after this and up to as long again, so that not all come back at once. */
const DEFAULT_TIMEOUT_MS = 30 * 60_000
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end'
/** Events that one batch of the initial state holds at most. */
const INITIAL_BATCH_LIMIT = 500

export interface WatchRequest extends ListRequest {
  /** A zero object of the kind, for bookmarks. */
  emptyObject(): KubeObject
}

function bookmark(request: WatchRequest, revision: number, endsInitialEvents: boolean): SharedEvent {
  const empty = request.emptyObject()
  const annotations = endsInitialEvents ? { annotations: { [INITIAL_EVENTS_END]: 'true' } } : {}
  const metadata = { ...empty.metadata, resourceVersion: String(revision), ...annotations }
  const object = { ...empty, metadata }
  return new SharedEvent('BOOKMARK', { object, json: Buffer.from(JSON.stringify(object)) })
}

/** The first batch is empty: it tells that the watch was accepted. */
export async function* watchObjects(source: ListSource, request: WatchRequest): AsyncGenerator<readonly SharedEvent[]> {
  const { options, kind, prefix, matches } = request
  const revision = options.resourceVersion === '' ? 0 : parseRevision(options.resourceVersion)
  if (revision === undefined) throw newStatusError(500, '', invalidResourceVersion(options.resourceVersion))
  const startsWithState = options.sendInitialEvents ?? revision === 0
  if (options.resourceVersion === '') await waitForNewest(source, request.signal)
  else if (startsWithState && revision > 0) await waitForRevision(source, revision, request.signal)
  yield []

  const cache = source.cache.resource(kind.prefix)
  const from = startsWithState || revision === 0 ? source.cache.revision : revision
  const watcher = cache.watch({ prefix, ...(matches && { matches }) }, from)
  const stop = endWhenDone(source, request, watcher)
  try {
    if (startsWithState) {
      yield* initialState([...cache.under(prefix)].filter((object) => !matches || matches(object)))
      if (options.sendInitialEvents && options.allowWatchBookmarks) yield [bookmark(request, from, true)]
    }
    yield* watcher.batches()
  } finally {
    stop()
    watcher.end()
  }
}

function* initialState(objects: readonly ConstructorParameters<typeof SharedEvent>[1][]): Generator<readonly SharedEvent[]> {
  for (let at = 0; at < objects.length; at += INITIAL_BATCH_LIMIT) {
    yield objects.slice(at, at + INITIAL_BATCH_LIMIT).map((object) => new SharedEvent('ADDED', object))
  }
}

/** Ends the watcher at its timeout and when the client goes; sends bookmarks meanwhile. */
function endWhenDone(source: ListSource, request: WatchRequest, watcher: CacheWatcher): () => void {
  const { clock, cache } = source
  const { options, signal } = request
  const timeoutMs = options.timeoutSeconds ? options.timeoutSeconds * 1000 : DEFAULT_TIMEOUT_MS * (1 + Math.random())
  const onAbort = (): void => watcher.end()
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  const cancelTimeout = clock.after(timeoutMs, onAbort)
  let cancelBookmark = (): void => {}
  const scheduleBookmark = (): void => {
    cancelBookmark = clock.after(BOOKMARK_INTERVAL_MS, () => {
      watcher.send(bookmark(request, cache.revision, false))
      scheduleBookmark()
    })
  }
  if (options.allowWatchBookmarks) scheduleBookmark()
  return () => {
    signal.removeEventListener('abort', onAbort)
    cancelTimeout()
    cancelBookmark()
  }
}
