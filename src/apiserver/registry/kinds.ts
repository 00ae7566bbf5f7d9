/** Finds the kind behind a requested resource: its storage version and its strategy. */
import { storedKind } from './kind.ts'
import { strategies } from './strategies/table.ts'
import type { Catalog, CatalogResource } from '../../api/catalog/catalog.ts'
import type { StoredKind } from './kind.ts'
import type { Strategy } from './strategy.ts'

/** What serves custom resources tells the registry of them. */
export interface CustomKind {
  /** The version that objects are stored in. */
  storage: CatalogResource
  strategy: Strategy
}

export type CustomKinds = (resource: CatalogResource) => CustomKind | undefined

/** Resources that are another group's view of the same objects. */
const STORED_AS: Record<string, { group: string; resource: string }> = {
  'events.k8s.io/events': { group: '', resource: 'events' },
}

export class Kinds {
  readonly #catalog: Catalog
  readonly #custom: CustomKinds
  readonly #builtIn = new Map<string, StoredKind>()
  readonly #customKinds = new WeakMap<CatalogResource, StoredKind>()

  constructor(catalog: Catalog, custom: CustomKinds = () => undefined) {
    this.#catalog = catalog
    this.#custom = custom
  }

  of(resource: CatalogResource): StoredKind {
    const path = `${resource.group}/${resource.resource}`
    const known = this.#builtIn.get(path) ?? this.#customKinds.get(resource)
    if (known) return known
    const storage = this.#storageOf(resource)
    if (storage) {
      const kind = storedKind(storage, strategies.get(`${storage.group}/${storage.resource}`) ?? {}, false)
      this.#builtIn.set(path, kind)
      return kind
    }
    const custom = this.#custom(resource)
    const kind = storedKind(custom?.storage ?? resource, custom?.strategy ?? { managesGeneration: true }, true)
    this.#customKinds.set(resource, kind)
    return kind
  }

  /** Of a built-in resource. */
  named(group: string, resource: string): StoredKind | undefined {
    const storage = this.#storageOf({ group, resource })
    return storage && this.of(storage)
  }

  #storageOf({ group, resource }: { group: string; resource: string }): CatalogResource | undefined {
    const at = STORED_AS[`${group}/${resource}`] ?? { group, resource }
    const versions = this.#catalog.groups.find((known) => known.name === at.group)?.versions ?? []
    for (const version of versions) {
      const found = this.#catalog.resource(at.group, version, at.resource)
      if (found) return found
    }
    return undefined
  }
}
