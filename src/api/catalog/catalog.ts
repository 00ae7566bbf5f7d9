/**
 * The catalog: every group, version, resource and type that the server knows. The facts are generated
 * (`tools/catalog`); this file is their one reader. Adding a kind is a catalog entry plus a strategy, nothing more.
 */
import type { JsonObject } from '../resource.ts'
import type { TypeDef } from './schema.ts'

export interface GroupVersionKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

export interface CatalogSubresource {
  /** `status`, `scale`, `log` … */
  readonly name: string
  /** Kind of its request and answer bodies, e.g. autoscaling/v1 Scale. */
  readonly kind: GroupVersionKind
  readonly verbs: readonly string[]
}

export interface CatalogResource {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly singular: string
  readonly kind: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly subresources: readonly CatalogSubresource[]
  /** The type of its objects. */
  readonly type: TypeDef
  /** Of custom resources: their definition's columns. */
  readonly printerColumns?: readonly PrinterColumn[]
  /** Where it is not the kind followed by `List`. */
  readonly listKind?: string
  /** Of custom resources: what their schema does beyond the type. */
  readonly custom?: CustomSchema
}

/** How objects of a custom resource are read. They change the object that they are given. */
export interface CustomSchema {
  /** Cuts off what the schema does not know and shapes the metadata; answers the paths of what was unknown. Throws DecodeError. */
  coerce(object: JsonObject): string[]
  /** Shapes the metadata alone, and drops what does not fit there: an applied configuration is told by its type what else is wrong. */
  coerceMetadata(object: JsonObject): void
  applyDefaults(object: JsonObject): void
  /** Paths of a scale, with the dot in front. */
  readonly scale?: { readonly specReplicasPath: string; readonly statusReplicasPath: string; readonly labelSelectorPath?: string }
  /** Told with every answer: the version is deprecated. */
  readonly warning?: string
  /** The version that objects are stored in. */
  readonly storageVersion?: string
}

export function isCustomGroup(catalog: Catalog, group: string): boolean {
  const versions = catalog.groups.find(({ name }) => name === group)?.versions ?? []
  return versions.some((version) => catalog.resources(group, version).some(({ custom }) => custom !== undefined))
}

export function listKindOf({ kind, listKind }: Pick<CatalogResource, 'kind' | 'listKind'>): string {
  return listKind ?? `${kind}List`
}

/** A column of a custom resource's table (apiextensions' CustomResourceColumnDefinition). */
export interface PrinterColumn {
  readonly name: string
  readonly type: string
  readonly jsonPath: string
  readonly format?: string
  readonly priority?: number
  readonly description?: string
}

export interface CatalogGroup {
  /** '' is core. */
  readonly name: string
  /** In order of preference. */
  readonly versions: readonly string[]
}

export interface Catalog {
  /** In discovery's order, core first. */
  readonly groups: readonly CatalogGroup[]
  /** Of one group and version, in discovery's order. */
  resources(group: string, version: string): readonly CatalogResource[]
  resource(group: string, version: string, resource: string): CatalogResource | undefined
  /** The type of a kind, also of kinds without a resource of their own (`DeleteOptions`, `Scale`, `Status`). */
  typeOfKind(gvk: GroupVersionKind): TypeDef | undefined
  /** By OpenAPI definition name. */
  type(name: string): TypeDef | undefined
  /** Every kind with a type of its own, as OpenAPI's x-kubernetes-group-version-kind names it. */
  readonly kinds: readonly GroupVersionKind[]
  /** OpenAPI definition names of all types. */
  readonly typeNames: readonly string[]
  /** Kinds that are part of every group and version (`DeleteOptions`, `WatchEvent`), and the groups and versions that publish them. */
  readonly everywhere: { readonly kinds: readonly string[]; readonly groupVersions: readonly { group: string; version: string }[] }
}

/** Resources that are another group's view of the same objects. */
const STORED_AS: Readonly<Record<string, { group: string; resource: string }>> = {
  'events.k8s.io/events': { group: '', resource: 'events' },
}

/** A built-in resource in the version that its objects are stored in. */
export function storageOf(catalog: Catalog, { group, resource }: { group: string; resource: string }): CatalogResource | undefined {
  const stored = STORED_AS[`${group}/${resource}`] ?? { group, resource }
  const versions = catalog.groups.find(({ name }) => name === stored.group)?.versions ?? []
  for (const version of versions) {
    const found = catalog.resource(stored.group, version, stored.resource)
    if (found) return found
  }
  return undefined
}
