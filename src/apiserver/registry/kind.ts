/** A resource as the registry keeps it: all its served versions over one storage version, its place in the store, its strategy. */
import { prefixOf } from '../cache/keys.ts'
import { apiVersionOf } from '../../api/resource.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { Strategy } from './strategy.ts'

export interface StoredKind {
  /** In the version that objects are stored in. */
  readonly storage: CatalogResource
  /** `apps/v1`. */
  readonly storageApiVersion: string
  /** `/registry/deployments/`. */
  readonly prefix: string
  readonly hasStatus: boolean
  readonly custom: boolean
  readonly strategy: Strategy
}

export function storedKind(storage: CatalogResource, strategy: Strategy, custom: boolean): StoredKind {
  return {
    storage,
    storageApiVersion: apiVersionOf(storage),
    prefix: prefixOf(storage, custom),
    hasStatus: storage.subresources.some((subresource) => subresource.name === 'status'),
    custom,
    strategy,
  }
}

export function keyFor(kind: StoredKind, namespace: string, name: string): string {
  return kind.storage.namespaced ? `${kind.prefix}${namespace}/${name}` : kind.prefix + name
}
