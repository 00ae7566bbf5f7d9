/** How many objects of each resource there are, as the cache has them. */
import type { Catalog, CatalogResource } from '../../api/catalog/catalog.ts'
import { prefixOf } from './keys.ts'
import type { WatchCache } from './watchCache.ts'

export class ObjectCounts {
  readonly #catalog: Catalog
  readonly #cache: WatchCache

  constructor(catalog: Catalog, cache: WatchCache) {
    this.#catalog = catalog
    this.#cache = cache
  }

  /** 0 of a resource that is not served, or not kept. */
  of(group: string, resource: string): number {
    const versions = this.#catalog.groups.find(({ name }) => name === group)?.versions ?? []
    for (const version of versions) {
      const found = this.#catalog.resource(group, version, resource)
      if (found) return this.#count(found)
    }
    return 0
  }

  /** By `resource.group`, each once. */
  all(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const { name: group, versions } of this.#catalog.groups) {
      for (const version of versions) {
        for (const found of this.#catalog.resources(group, version)) {
          const key = group ? `${found.resource}.${group}` : found.resource
          if (found.verbs.includes('list') && !counts.has(key)) counts.set(key, this.#count(found))
        }
      }
    }
    return counts
  }

  #count(resource: CatalogResource): number {
    if (!resource.verbs.includes('list')) return 0
    // The type of a custom resource has no name.
    return this.#cache.resource(prefixOf(resource, resource.type.name === '')).size
  }
}
