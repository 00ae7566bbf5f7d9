/** Objects between the version they are stored in and the version that was asked for. */
import { convert } from '../../api/conversion/convert.ts'
import { apiVersionOf } from '../../api/resource.ts'
import { SharedEvent } from '../cache/storedObject.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { CachedObject } from '../request.ts'
import type { StoredKind } from './kind.ts'

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
