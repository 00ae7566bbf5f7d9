/** Objects of any kind for admission policies, from the watch cache, in the version that they are asked for in. */
import type { ParamObjects } from '../admission/policies/params.ts'
import type { StoredObject } from '../cache/storedObject.ts'
import type { WatchCache } from '../cache/watchCache.ts'
import type { Kinds } from './kinds.ts'
import type { ObjectStore } from './objectStore.ts'
import { fromStorage } from './versions.ts'

export function createParamObjects({ kinds, objects, cache }: { kinds: Kinds; objects: ObjectStore; cache: WatchCache }): ParamObjects {
  return {
    async find(resource, namespace, name) {
      const kind = kinds.of(resource)
      const stored = await objects.load(kind, namespace, name)
      return stored && fromStorage(stored, resource, kind).object
    },
    async list(resource, namespace) {
      const kind = kinds.of(resource)
      const prefix = namespace ? `${kind.prefix}${namespace}/` : kind.prefix
      const stored: StoredObject[] = [...cache.resource(kind.prefix).under(prefix)]
      await kind.versions?.prepare(stored)
      return stored.map((one) => fromStorage(kind.versions ? kind.versions.view(one) : one, resource, kind).object)
    },
  }
}
