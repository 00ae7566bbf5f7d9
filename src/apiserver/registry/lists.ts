/** LIST: consistent or at a revision, whole or in pages, from the watch cache wherever it shows the revision asked for. */
import { newBadRequest, newInternalError, newStatusError } from '../../api/status.ts'
import { inTime } from '../../base/abort.ts'
import { CompactedError } from '../../storage/store.ts'
import { decodeContinue, encodeContinue, parseRevision } from './continueToken.ts'
import { invalidResourceVersion } from './options.ts'
import { newTooLargeResourceVersion, translateStorageError } from './storageErrors.ts'
import type { Clock } from '../../base/clock.ts'
import type { Entry, Store } from '../../storage/store.ts'
import { UnreadableValueError } from '../cache/storedValues.ts'
import type { StoredValues } from '../cache/storedValues.ts'
import type { WatchCache } from '../cache/watchCache.ts'
import type { StoredObject } from '../cache/storedObject.ts'
import type { ContinueToken } from './continueToken.ts'
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
  values: StoredValues
  cache: WatchCache
  clock: Clock
  /** Other API servers write to the same store: the newest state has to be asked for. */
  sharedStore: boolean
}

export type Matches = ((object: StoredObject) => boolean) | undefined

/** What is listed, whatever at and wherever from. */
export interface ListRequest {
  kind: StoredKind
  /** The kind's, or the kind's in one namespace. */
  prefix: string
  options: ListOptions
  matches: Matches
  signal: AbortSignal
}

/** Waits until the cache shows `revision`; a Timeout status when it does not come. */
export async function waitForRevision(source: ListSource, revision: number, signal: AbortSignal): Promise<void> {
  const observed = source.cache.observed(revision)
  if (!observed) return
  const { cache, clock } = source
  const late = (): Error => newTooLargeResourceVersion(revision, cache.revision)
  await inTime(observed, { clock, timeoutMs: FUTURE_REVISION_TIMEOUT_MS, signal, late })
}

/** Waits until the cache shows every write that was acknowledged before the call. */
export async function waitForNewest(source: ListSource, signal: AbortSignal): Promise<void> {
  if (source.sharedStore) await waitForRevision(source, await source.store.revision(), signal)
}

/** A page, and what leads to the next one if `remaining` objects follow it. */
function pageOf({ prefix, matches }: ListRequest, items: StoredObject[], revision: number, remaining: number | undefined): ListPage {
  if (remaining === undefined) return { items, revision }
  const after = (items.at(-1) as StoredObject).key
  return {
    items,
    revision,
    continue: encodeContinue({ revision, after }, prefix),
    // How many of them match nobody has looked at.
    ...(!matches && { remainingItemCount: remaining }),
  }
}

/** What the cache shows, said to be at the position's revision. */
function listCache(source: ListSource, request: ListRequest, { revision, after }: ContinueToken): ListPage {
  const { kind, prefix, matches, options } = request
  const cache = source.cache.resource(kind.prefix)
  const items: StoredObject[] = []
  for (const object of cache.under(prefix, after)) {
    if (matches && !matches(object)) continue
    if (options.limit > 0 && items.length === options.limit) {
      return pageOf(request, items, revision, cache.countUnder(prefix, (items.at(-1) as StoredObject).key))
    }
    items.push(object)
  }
  return pageOf(request, items, revision, undefined)
}

function readEntry(values: StoredValues, entry: Entry): StoredObject {
  try {
    return values.decode(entry)
  } catch (error) {
    throw error instanceof UnreadableValueError ? newInternalError(error.message) : error
  }
}

/** At a revision that the cache does not show any more. */
async function listStore(source: ListSource, request: ListRequest, { revision, after }: ContinueToken): Promise<ListPage> {
  const { prefix, matches, options } = request
  const items: StoredObject[] = []
  let position = after
  for (;;) {
    const page = await source.store.list(prefix, {
      revision,
      ...(options.limit > 0 && { limit: STORE_PAGE_LIMIT }),
      ...(position && { after: position }),
    })
    for (const [index, entry] of page.entries.entries()) {
      const stored = readEntry(source.values, entry)
      if (matches && !matches(stored)) continue
      if (options.limit > 0 && items.length === options.limit) {
        return pageOf(request, items, revision, page.entries.length - index + page.remaining)
      }
      items.push(stored)
    }
    if (page.remaining === 0) return pageOf(request, items, revision, undefined)
    position = page.entries.at(-1)?.key ?? position
  }
}

async function listAt(source: ListSource, request: ListRequest, position: ContinueToken): Promise<ListPage> {
  const { kind, prefix } = request
  const { revision, after } = position
  try {
    if (source.cache.resource(kind.prefix).lastChange <= revision) {
      // What was not changed since could be shown for ever; clients are promised an end of it.
      await source.store.assertReadable(revision)
      return listCache(source, request, position)
    }
    return await listStore(source, request, position)
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

/** The objects are as the kind's version shows them. */
export async function listObjects(source: ListSource, request: ListRequest): Promise<ListPage> {
  const { kind, prefix, matches, signal } = request
  const { versions } = kind
  // What selectors look at has to be there when they do.
  if (versions && matches) await versions.prepare([...source.cache.resource(kind.prefix).under(prefix)], signal)
  const page = await listStored(source, request)
  if (!versions) return page
  await versions.prepare(page.items, signal)
  return { ...page, items: page.items.map((stored) => versions.view(stored)) }
}

async function listStored(source: ListSource, request: ListRequest): Promise<ListPage> {
  const { prefix, options, signal } = request
  const { resourceVersion: asked, resourceVersionMatch: match } = options
  const revision = asked === '' ? 0 : parseRevision(asked)
  if (revision === undefined) throw newBadRequest(`invalid resource version: ${invalidResourceVersion(asked)}`)
  if (options.continue) {
    const token = decodeContinue(options.continue, prefix)
    if (asked && asked !== '0') throw newBadRequest('specifying resource version is not allowed when using continue')
    if (token.revision < 0) {
      await waitForNewest(source, signal)
      return listCache(source, request, { revision: source.cache.revision, after: token.after })
    }
    await waitForRevision(source, token.revision, signal)
    return listAt(source, request, token)
  }
  if (asked === '') await waitForNewest(source, signal)
  else if (revision > 0) await waitForRevision(source, revision, signal)
  const exact = match === 'Exact' || (options.limit > 0 && match === '')
  if (exact && revision > 0) return listAt(source, request, { revision, after: '' })
  // Whatever is there, is there at once: upstream's cache does not cut it into pages either.
  const whole = asked === '0' ? { ...request, options: { ...options, limit: 0 } } : request
  return listCache(source, whole, { revision: source.cache.revision, after: '' })
}
