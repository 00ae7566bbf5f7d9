/** A resource as the registry keeps it: all its served versions over one storage version, its place in the store, its strategy. */
import { prefixOf } from '../cache/keys.ts'
import { apiVersionOf } from '../../api/resource.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { GroupResource } from '../../api/status.ts'
import type { StoredObject } from '../cache/storedObject.ts'
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
  /** Of custom resources: `storage` is the version asked for, and objects are stored in another. */
  readonly versions?: ObjectVersions
}

/** Objects between the version they are stored in and the one that was asked for, which may need another server's help. */
export interface ObjectVersions {
  /** The stored object as this version shows it; to be called after `prepare`. */
  view(stored: StoredObject): StoredObject
  /** Converts what can't be converted here; undefined where there is nothing to wait for. */
  prepare(objects: readonly StoredObject[], signal?: AbortSignal): Promise<void> | undefined
  /** What goes into the store. */
  toStorage(object: KubeObject): KubeObject | Promise<KubeObject>
  convert(object: KubeObject, from: CatalogResource, to: CatalogResource): KubeObject | Promise<KubeObject>
}

export function storedKind(storage: CatalogResource, strategy: Strategy, custom: boolean, versions?: ObjectVersions): StoredKind {
  return {
    storage,
    storageApiVersion: apiVersionOf(storage),
    prefix: prefixOf(storage, custom),
    hasStatus: storage.subresources.some((subresource) => subresource.name === 'status'),
    custom,
    strategy,
    ...(versions && { versions }),
  }
}

/** The resource that errors name: of a kind that two groups serve it is in the group that was asked. */
export function askedResource({ storage }: StoredKind, { group = storage.group }: { group?: string }): GroupResource {
  return { group, resource: storage.resource }
}

export function keyFor(kind: StoredKind, namespace: string, name: string): string {
  return kind.storage.namespaced ? `${kind.prefix}${namespace}/${name}` : kind.prefix + name
}
