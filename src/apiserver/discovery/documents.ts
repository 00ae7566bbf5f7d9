/** The discovery documents (`/api`, `/apis`, …) as the catalog's groups and resources come to them. Pure. */
import { createHash } from 'node:crypto'
import { storageOf, type Catalog, type CatalogResource } from '../../api/catalog/catalog.ts'
import type { DiscoveredGroup } from './groups.ts'

interface GroupVersion {
  groupVersion: string
  version: string
}

const groupVersionOf = (group: string, version: string): string => (group ? `${group}/${version}` : version)

/** APIResourceList repeats a group or version only where it differs from the list's own. */
function foreign(resource: CatalogResource, kind: { group: string; version: string }): { group?: string; version?: string } {
  if (kind.group === resource.group && kind.version === resource.version) return {}
  return { ...(kind.group && { group: kind.group }), version: kind.version }
}

export function apiVersions(serverAddress: string): object {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }] }
}

function apiGroup({ name, versions }: DiscoveredGroup): { name: string; versions: GroupVersion[]; preferredVersion: GroupVersion } {
  const listed = versions.map(({ version }) => ({ groupVersion: groupVersionOf(name, version), version }))
  return { name, versions: listed, preferredVersion: listed[0] as GroupVersion }
}

export function apiGroupDocument(groups: readonly DiscoveredGroup[], name: string): object | undefined {
  const group = name === '' ? undefined : groups.find((g) => g.name === name)
  return group && { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(group) }
}

export function apiGroupList(groups: readonly DiscoveredGroup[]): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.filter((g) => g.name !== '').map(apiGroup) }
}

/** Tells clients when a kind is stored in another version than before; only kinds that are stored have one. */
function storageVersionHash(catalog: Catalog, resource: CatalogResource): string | undefined {
  const { verbs, kind, custom } = resource
  const isStored = custom ? custom.storageVersion !== undefined : verbs.includes('create') && verbs.includes('list')
  if (!isStored) return undefined
  const { group, version } = custom ? { group: resource.group, version: custom.storageVersion } : (storageOf(catalog, resource) ?? resource)
  return createHash('sha256').update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString('base64')
}

function resourceRows(catalog: Catalog, resource: CatalogResource): { name: string }[] {
  const { resource: name, singular, namespaced, kind, verbs, shortNames, categories } = resource
  const hash = storageVersionHash(catalog, resource)
  const row = {
    name,
    singularName: singular,
    namespaced,
    kind,
    verbs,
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(hash && { storageVersionHash: hash }),
  }
  const subresources = resource.subresources.map((sub) => ({
    name: `${name}/${sub.name}`,
    singularName: '',
    namespaced,
    ...foreign(resource, sub.kind),
    kind: sub.kind.kind,
    verbs: sub.verbs,
  }))
  return verbs.length > 0 ? [row, ...subresources] : subresources
}

export function apiResourceList(catalog: Catalog, group: string, version: string): object | undefined {
  const known = catalog.groups.find((g) => g.name === group)
  if (!known?.versions.includes(version)) return undefined
  const resources = catalog.resources(group, version).flatMap((resource) => resourceRows(catalog, resource))
  return { kind: 'APIResourceList', ...(group !== '' && { apiVersion: 'v1' }), groupVersion: groupVersionOf(group, version), resources }
}

/** Upstream leaves group and version of a built-in resource's own kind empty, and clients fill them in; a custom resource's are told. */
function responseKind(resource: CatalogResource, kind: { group: string; version: string; kind: string }): object {
  const own = !resource.custom && kind.group === resource.group && kind.version === resource.version
  return own ? { group: '', version: '', kind: kind.kind } : { group: kind.group, version: kind.version, kind: kind.kind }
}

function discoveredResource(resource: CatalogResource): object {
  const { singular, shortNames, categories, verbs } = resource
  const subresources = resource.subresources.map((sub) => ({
    subresource: sub.name,
    responseKind: responseKind(resource, sub.kind),
    verbs: sub.verbs,
  }))
  return {
    resource: resource.resource,
    responseKind: responseKind(resource, resource),
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs,
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(subresources.length > 0 && { subresources }),
  }
}

/** Aggregated discovery: every group with every resource in one document. `core` tells /api from /apis. */
export function apiGroupDiscoveryList(catalog: Catalog, groups: readonly DiscoveredGroup[], core: boolean): object {
  const items = groups
    .filter((g) => (g.name === '') === core)
    .map(({ name, versions }) => ({
      metadata: name === '' ? {} : { name },
      versions: versions.map(({ version, remote }) => ({
        version,
        resources: remote?.resources ?? catalog.resources(name, version).map(discoveredResource),
        freshness: remote?.freshness ?? 'Current',
      })),
    }))
  return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items }
}
