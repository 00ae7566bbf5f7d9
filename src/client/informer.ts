/**
 * Informers: a local, always-current copy of the objects of one resource, fed by list and watch, shared by everything that
 * runs in one process (client-go's shared informers). The implementation is in `sharedInformer.ts`.
 */
import type { KubeObject, Resource } from '../api/resource.ts'

export interface Lister<T extends KubeObject> {
  /** By `namespace/name`, or `name` for cluster-scoped resources. */
  get(key: string): T | undefined
  /** All of them, or those of one namespace. */
  list(namespace?: string): readonly T[]
  /** The objects for which the index function of that name answered `value`. */
  byIndex(index: string, value: string): readonly T[]
}

export interface Change<T extends KubeObject> {
  key: string
  /** Undefined when the object is new. */
  before: T | undefined
  /** Undefined when the object is gone. */
  after: T | undefined
}

export interface Informer<T extends KubeObject> extends Lister<T> {
  readonly resource: Resource<T>
  /** Calls back for every change, first for everything already there; the result ends it. Callbacks must not throw or wait. */
  onChange(listener: (change: Change<T>) => void): () => void
  /** An index is kept from the moment it is added; adding the same name twice is the same index. */
  addIndex(index: string, valuesOf: (object: T) => readonly string[]): void
  /** Resolves when the first list has arrived. */
  synced(signal?: AbortSignal): Promise<void>
  readonly hasSynced: boolean
  /** The revision that the copy shows; '' before the first list. A write whose revision it has reached is in it. */
  readonly resourceVersion: string
}

export interface InformerOptions {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
}

export interface Informers {
  /** The one informer of a resource (and selection); it starts when first asked for. */
  for<T extends KubeObject>(resource: Resource<T>, options?: InformerOptions): Informer<T>
}
