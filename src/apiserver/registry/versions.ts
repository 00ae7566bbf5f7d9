/** Objects between the version they are stored in and the version that was asked for. */
import { convert } from '../../api/conversion/convert.ts'
import { apiVersionOf } from '../../api/resource.ts'
import { SharedEvent, atRevision } from '../cache/storedObject.ts'
import type { StoredObject } from '../cache/storedObject.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { CachedObject } from '../request.ts'
import type { ObjectVersions, StoredKind } from './kind.ts'

const same = (a: CatalogResource, b: CatalogResource): boolean => a === b || (a.group === b.group && a.version === b.version)

/** For managers of fields who know the object by another version. */
export function convertBetween(object: KubeObject, from: CatalogResource, to: CatalogResource): KubeObject {
  return same(from, to) ? object : convert(object, from, to)
}

export function toStorage(object: KubeObject, from: CatalogResource, kind: StoredKind): KubeObject {
  return same(from, kind.storage) ? object : convert(object, from, kind.storage)
}

class ConvertedObject implements CachedObject {
  readonly object: KubeObject
  #json: Uint8Array | undefined

  constructor(object: KubeObject) {
    this.object = object
  }

  get json(): Uint8Array {
    return (this.#json ??= Buffer.from(JSON.stringify(this.object)))
  }
}

/** One conversion of an object serves all who ask for that version. */
const converted = new WeakMap<CachedObject, Map<string, CachedObject>>()

export function fromStorage(stored: CachedObject, to: CatalogResource, kind: StoredKind): CachedObject {
  if (same(to, kind.storage)) return stored
  const version = apiVersionOf(to)
  let byVersion = converted.get(stored)
  if (!byVersion) converted.set(stored, (byVersion = new Map()))
  let found = byVersion.get(version)
  if (!found) byVersion.set(version, (found = new ConvertedObject(convert(stored.object, kind.storage, to))))
  return found
}

const convertedEvents = new WeakMap<SharedEvent, Map<string, SharedEvent>>()

export function convertEvent(event: SharedEvent, to: CatalogResource, kind: StoredKind): SharedEvent {
  if (event.type === 'BOOKMARK' || same(to, kind.storage)) return event
  const version = apiVersionOf(to)
  let byVersion = convertedEvents.get(event)
  if (!byVersion) convertedEvents.set(event, (byVersion = new Map()))
  let found = byVersion.get(version)
  if (!found) byVersion.set(version, (found = new SharedEvent(event.type, fromStorage(event.source, to, kind))))
  return found
}

const viewedEvents = new WeakMap<SharedEvent, WeakMap<ObjectVersions, SharedEvent>>()

/** Events of a custom resource as the version shows them that the watcher asked for, of the objects whose fields match. */
export async function viewEvents(
  batch: readonly SharedEvent[],
  versions: ObjectVersions,
  matches: ((object: KubeObject) => boolean) | undefined,
  signal: AbortSignal,
): Promise<readonly SharedEvent[]> {
  const changes = batch.filter((event) => event.type !== 'BOOKMARK')
  const objects = changes.flatMap(({ source, before }) => [source as StoredObject, ...(matches && before ? [before] : [])])
  await versions.prepare(objects, signal)
  if (!matches) return batch.map((event) => viewEvent(event, versions))
  return batch.flatMap((event) => matchingEvent(event, versions, matches) ?? [])
}

function viewEvent(event: SharedEvent, versions: ObjectVersions): SharedEvent {
  if (event.type === 'BOOKMARK') return event
  let byVersions = viewedEvents.get(event)
  if (!byVersions) viewedEvents.set(event, (byVersions = new WeakMap()))
  let viewed = byVersions.get(versions)
  if (!viewed) {
    const source = versions.view(event.source as StoredObject)
    byVersions.set(versions, (viewed = source === event.source ? event : new SharedEvent(event.type, source)))
  }
  return viewed
}

/** What begins to match was added, what no longer matches was deleted. */
function matchingEvent(event: SharedEvent, versions: ObjectVersions, matches: (object: KubeObject) => boolean): SharedEvent | undefined {
  const viewed = viewEvent(event, versions)
  if (event.type === 'BOOKMARK') return event
  const now = matches(viewed.object)
  if (event.type !== 'MODIFIED' || !event.before) return now ? viewed : undefined
  const before = versions.view(event.before)
  const matched = matches(before.object)
  if (now) return matched ? viewed : new SharedEvent('ADDED', viewed.source)
  return matched ? new SharedEvent('DELETED', atRevision(before, (event.source as StoredObject).revision)) : undefined
}

/** Thrown by work that needs a conversion which another server makes. */
export class PendingConversion extends Error {
  override readonly name = 'PendingConversion'
  readonly settled: Promise<unknown>

  constructor(settled: Promise<unknown>) {
    super('the conversion is under way')
    this.settled = settled
  }
}

/** Conversions that one piece of work may wait for: one for each version that a manager of fields wrote in, twice over. */
const PENDING_LIMIT = 64

/** Does work that asks for conversions in the middle of pure code, again and again until it has them all. */
export async function withConversions<T>(work: () => T): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof PendingConversion) || tries >= PENDING_LIMIT) throw error
      await error.settled
    }
  }
}
