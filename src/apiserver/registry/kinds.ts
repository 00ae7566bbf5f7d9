/** Finds the kind behind a requested resource: its storage version and its strategy. */
import { storedKind } from './kind.ts'
import { newNotFound } from '../../api/status.ts'
import { strategies } from './strategies/table.ts'
import type { Catalog, CatalogResource } from '../../api/catalog/catalog.ts'
import type { ObjectVersions, StoredKind } from './kind.ts'
import type { Strategy } from './strategy.ts'

/** What serves custom resources tells the registry of them. */
export interface CustomKind {
  strategy: Strategy
  versions: ObjectVersions
}

export type CustomKinds = (resource: CatalogResource) => CustomKind | undefined

/** Resources that are another group's view of the same objects. */
const STORED_AS: Record<string, { group: string; resource: string }> = {
  'events.k8s.io/events': { group: '', resource: 'events' },
}

export class Kinds {
  readonly #catalog: Catalog
  readonly #custom: CustomKinds
  readonly #strategies: ReadonlyMap<string, Strategy>
  readonly #builtIn = new Map<string, StoredKind>()
  readonly #customKinds = new WeakMap<CatalogResource, StoredKind>()

  /** `own` are strategies that are made with the server. */
  constructor(catalog: Catalog, custom: CustomKinds = () => undefined, own: ReadonlyMap<string, Strategy> = new Map()) {
    this.#catalog = catalog
    this.#custom = custom
    this.#strategies = own
  }

  of(resource: CatalogResource): StoredKind {
    const path = `${resource.group}/${resource.resource}`
    const known = resource.custom ? this.#customKinds.get(resource) : this.#builtIn.get(path)
    if (known) return known
    if (!resource.custom) {
      const storage = this.#storageOf(resource) ?? resource
      const kind = storedKind(storage, this.#strategyOf(storage), false)
      this.#builtIn.set(path, kind)
      return kind
    }
    const custom = this.#custom(resource)
    // The definition went while the request was on its way.
    if (!custom) throw newNotFound(resource, '')
    const kind = storedKind(resource, custom.strategy, true, custom.versions)
    this.#customKinds.set(resource, kind)
    return kind
  }

  #strategyOf({ group, resource }: CatalogResource): Strategy {
    const path = `${group}/${resource}`
    return this.#strategies.get(path) ?? strategies.get(path) ?? {}
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
