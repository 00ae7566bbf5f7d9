/** Finds the kind behind a requested resource: its storage version and its strategy. */
import { storageOf } from '../../api/catalog/catalog.ts'
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
      const storage = storageOf(this.#catalog, resource) ?? resource
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
    const storage = storageOf(this.#catalog, { group, resource })
    return storage && this.of(storage)
  }
}
