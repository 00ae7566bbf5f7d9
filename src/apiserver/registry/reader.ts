/** Reads from the watch cache for strategies and admission: never waits, shows every acknowledged write. */
import { prefixOf } from '../cache/keys.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import type { WatchCache } from '../cache/watchCache.ts'

export interface ObjectReader {
  get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): T | undefined
  list<T extends KubeObject>(resource: Resource<T>, namespace?: string): T[]
}

export function createReader(cache: WatchCache): ObjectReader {
  return {
    get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): T | undefined {
      const prefix = prefixOf(resource, false)
      return cache.resource(prefix).get(prefix + (namespace ? `${namespace}/${name}` : name))?.object as T | undefined
    },
    list<T extends KubeObject>(resource: Resource<T>, namespace?: string): T[] {
      const prefix = prefixOf(resource, false)
      return [...cache.resource(prefix).under(namespace ? `${prefix}${namespace}/` : prefix)].map((stored) => stored.object as T)
    },
  }
}
