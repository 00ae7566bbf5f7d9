/** LIST: consistent or at a revision, whole or in pages, from the watch cache wherever it shows the revision asked for. */
import { newBadRequest, newStatusError } from '../../api/status.ts'
import { CompactedError } from '../../storage/store.ts'
import { decodeEntry } from '../cache/storedObject.ts'
import { decodeContinue, encodeContinue, parseRevision } from './continueToken.ts'
import { invalidResourceVersion } from './options.ts'
import { newTooLargeResourceVersion, translateStorageError } from './storageErrors.ts'
import type { Clock } from '../../base/clock.ts'
import type { Store } from '../../storage/store.ts'
import type { WatchCache } from '../cache/watchCache.ts'
import type { StoredObject } from '../cache/storedObject.ts'
import type { StoredKind } from './kind.ts'
import type { ListOptions } from './options.ts'

/** How long a read waits for a revision that is not there yet. */
const FUTURE_REVISION_TIMEOUT_MS = 3_000
/** Entries read from the store at a time while looking for those that a selector matches. */
const STORE_PAGE_LIMIT = 500

export interface ListPage {
  items: StoredObject[]
  revision: number
  continue?: string
  remainingItemCount?: number
}

export interface ListSource {
  store: Store
  cache: WatchCache
  clock: Clock
  /** Other API servers write to the same store: the newest state has to be asked for. */
  sharedStore: boolean
}

export type Matches = ((object: StoredObject) => boolean) | undefined

/** Waits until the cache shows `revision`; a Timeout status when it does not come. */
export async function waitForRevision(source: ListSource, revision: number, signal: AbortSignal): Promise<void> {
  const observed = source.cache.observed(revision)
  if (!observed) return
  const timeout = new AbortController()
  const late = source.clock.sleep(FUTURE_REVISION_TIMEOUT_MS, AbortSignal.any([signal, timeout.signal])).then(() => {
    throw newTooLargeResourceVersion(revision, source.cache.revision)
  })
  try {
    await Promise.race([observed, late])
  } finally {
    timeout.abort()
    late.catch(() => {})
  }
}

/** Waits until the cache shows every write that was acknowledged before the call. */
export async function waitForNewest(source: ListSource, signal: AbortSignal): Promise<void> {
  if (source.sharedStore) await waitForRevision(source, await source.store.revision(), signal)
}

function pageOf(objects: Iterable<StoredObject>, limit: number, matches: Matches): { items: StoredObject[]; more: boolean } {
  const items: StoredObject[] = []
  for (const object of objects) {
    if (matches && !matches(object)) continue
    if (limit > 0 && items.length === limit) return { items, more: true }
    items.push(object)
  }
  return { items, more: false }
}

function listCache(
  source: ListSource,
  kind: StoredKind,
  prefix: string,
  options: ListOptions,
  matches: Matches,
  after: string,
  revision: number,
): ListPage {
  const cache = source.cache.resource(kind.prefix)
  const { items, more } = pageOf(cache.under(prefix, after), options.limit, matches)
  if (!more) return { items, revision }
  const last = (items.at(-1) as StoredObject).key
  return {
    items,
    revision,
    continue: encodeContinue({ revision, after: last }, prefix),
    ...(!matches && { remainingItemCount: cache.countUnder(prefix, last) }),
  }
}

/** At a revision that the cache does not show any more. */
async function listStore(
  source: ListSource,
  prefix: string,
  options: ListOptions,
  matches: Matches,
  after: string,
  revision: number,
): Promise<ListPage> {
  const items: StoredObject[] = []
  const nothingParsed = new WeakMap<Uint8Array, never>()
  let position = after
  for (;;) {
    const page = await source.store.list(prefix, {
      revision,
      ...(options.limit > 0 && { limit: STORE_PAGE_LIMIT }),
      ...(position && { after: position }),
    })
    for (const [index, entry] of page.entries.entries()) {
      const stored = decodeEntry(entry, nothingParsed)
      if (matches && !matches(stored)) continue
      if (options.limit > 0 && items.length === options.limit) {
        const last = (items.at(-1) as StoredObject).key
        const remaining = page.entries.length - index + page.remaining
        return {
          items,
          revision,
          continue: encodeContinue({ revision, after: last }, prefix),
          ...(!matches && { remainingItemCount: remaining }),
        }
      }
      items.push(stored)
    }
    if (page.remaining === 0) return { items, revision }
    position = page.entries.at(-1)?.key ?? position
  }
}

async function listAt(
  source: ListSource,
  kind: StoredKind,
  prefix: string,
  options: ListOptions,
  matches: Matches,
  after: string,
  revision: number,
): Promise<ListPage> {
  const cache = source.cache.resource(kind.prefix)
  if (cache.lastChange <= revision) return listCache(source, kind, prefix, options, matches, after, revision)
  try {
    return await listStore(source, prefix, options, matches, after, revision)
  } catch (error) {
    if (error instanceof CompactedError && after) {
      const expired = newStatusError(
        410,
        'Expired',
        'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
      )
      expired.status.metadata = { continue: encodeContinue({ revision: -1, after }, prefix) }
      throw expired
    }
    if (error instanceof CompactedError) throw newStatusError(410, 'Expired', `The resourceVersion for the provided list is too old.`)
    throw translateStorageError(error, kind.storage, '')
  }
}

/** `prefix` is the kind's, or the kind's in one namespace. The objects are as the kind's version shows them. */
export async function listObjects(
  source: ListSource,
  kind: StoredKind,
  prefix: string,
  options: ListOptions,
  matches: Matches,
  signal: AbortSignal,
): Promise<ListPage> {
  const { versions } = kind
  // What selectors look at has to be there when they do.
  if (versions && matches) await versions.prepare([...source.cache.resource(kind.prefix).under(prefix)], signal)
  const page = await listStored(source, kind, prefix, options, matches, signal)
  if (!versions) return page
  await versions.prepare(page.items, signal)
  return { ...page, items: page.items.map((stored) => versions.view(stored)) }
}

async function listStored(
  source: ListSource,
  kind: StoredKind,
  prefix: string,
  options: ListOptions,
  matches: Matches,
  signal: AbortSignal,
): Promise<ListPage> {
  const asked = options.resourceVersion
  const revision = asked === '' ? 0 : parseRevision(asked)
  if (revision === undefined) throw newBadRequest(`invalid resource version: ${invalidResourceVersion(asked)}`)
  if (options.continue) {
    if (asked && asked !== '0') throw newBadRequest('specifying resource version is not allowed when using continue')
    const token = decodeContinue(options.continue, prefix)
    if (token.revision < 0) {
      await waitForNewest(source, signal)
      return listCache(source, kind, prefix, options, matches, token.after, source.cache.revision)
    }
    await waitForRevision(source, token.revision, signal)
    return listAt(source, kind, prefix, options, matches, token.after, token.revision)
  }
  if (asked === '') await waitForNewest(source, signal)
  else if (revision > 0) await waitForRevision(source, revision, signal)
  const exact = options.resourceVersionMatch === 'Exact' || (options.limit > 0 && revision > 0 && options.resourceVersionMatch === '')
  if (exact && revision > 0) return listAt(source, kind, prefix, options, matches, '', revision)
  return listCache(source, kind, prefix, options, matches, '', source.cache.revision)
}
