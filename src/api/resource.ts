/**
 * What every Kubernetes object has in common, and the handle by which code names a resource.
 * The shapes of the kinds themselves are generated into `kinds/`.
 */
import type { ObjectMeta } from './kinds/meta/v1.ts'

/** Any persisted API object. Objects that come out of a cache are shared: never write to them, copy first. */
export interface KubeObject {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
}

/** Any object as parsed from a body: nothing is known of it yet. */
export type JsonObject = { [key: string]: JsonValue }
export type JsonValue = string | number | boolean | null | JsonObject | JsonValue[]

/** Names one served resource; `T` is the shape of its objects. Handles for all stable kinds are in `kinds/`. */
export interface Resource<T extends KubeObject = KubeObject> {
  /** '' is the core group. */
  readonly group: string
  readonly version: string
  /** Lower-case plural, e.g. `pods`. */
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
  /** Never there at run time; it ties the shape to the handle. */
  readonly shape?: T
}

/** An object to be created: the server fills the rest of its metadata. */
export type Draft<T extends KubeObject> = Omit<T, 'metadata'> & { metadata: Partial<T['metadata']> }

export interface KubeList<T extends KubeObject> {
  /** The revision that the list shows; a watch from here misses nothing. */
  resourceVersion: string
  continue?: string
  remainingItemCount?: number
  items: T[]
}

/** `v1`, `apps/v1`. */
export function apiVersionOf(resource: Pick<Resource, 'group' | 'version'>): string {
  return resource.group ? `${resource.group}/${resource.version}` : resource.version
}

/** As Go reads it: `/` is nothing, and a text with more than one slash is none. */
export function parseGroupVersion(apiVersion: string): { group: string; version: string } | undefined {
  const [first = '', second, ...more] = apiVersion.split('/')
  if (more.length > 0) return undefined
  return second === undefined ? { group: '', version: first } : { group: first, version: second }
}

export const unexpectedGroupVersion = (apiVersion: string): string => `unexpected GroupVersion string: ${apiVersion}`

/** Key of an object in caches and work queues: `namespace/name`, or `name` where there is no namespace. */
export function keyOf(object: { metadata: { name: string; namespace?: string } }): string {
  const { name, namespace } = object.metadata
  return namespace ? `${namespace}/${name}` : name
}

export interface ObjectKey {
  /** '' for cluster-scoped objects. */
  namespace: string
  name: string
}

export function splitKey(key: string): ObjectKey {
  const slash = key.indexOf('/')
  return slash < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}
