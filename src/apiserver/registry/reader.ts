/** Reads from the watch cache for strategies and admission: never waits, shows every acknowledged write. */
import { prefixOf } from '../cache/keys.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import type { ResourceCache } from '../cache/resourceCache.ts'
import type { WatchCache } from '../cache/watchCache.ts'

export interface ObjectReader {
  get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): T | undefined
  list<T extends KubeObject>(resource: Resource<T>, namespace?: string): T[]
}

export function createReader(cache: WatchCache): ObjectReader {
  const known = new WeakMap<Resource<KubeObject>, ResourceCache>()
  const cacheOf = (resource: Resource<KubeObject>): ResourceCache => {
    let found = known.get(resource)
    if (!found) known.set(resource, (found = cache.resource(prefixOf(resource, false))))
    return found
  }
  return {
    get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): T | undefined {
      const objects = cacheOf(resource)
      return objects.get(objects.prefix + (namespace ? `${namespace}/${name}` : name))?.object as T | undefined
    },
    list<T extends KubeObject>(resource: Resource<T>, namespace?: string): T[] {
      const objects = cacheOf(resource)
      if (objects.size === 0) return []
      return [...objects.under(namespace ? `${objects.prefix}${namespace}/` : objects.prefix)].map((stored) => stored.object as T)
    },
  }
}
