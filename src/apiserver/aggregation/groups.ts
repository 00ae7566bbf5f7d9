/** Discovery's groups with those of remote servers among them, in the order of their APIServices. */
import type { Catalog, CatalogGroup } from '../../api/catalog/catalog.ts'
import type { APIService } from '../../api/kinds/apiregistration/v1.ts'
import type { DiscoveredGroup, DiscoveredGroups, DiscoveredVersion } from '../discovery/groups.ts'
import type { Aggregation } from './aggregator.ts'
import { orderGroups } from './apiServices.ts'
import type { RemoteVersion } from './remote.ts'

/** It has no APIService, and comes first all the same. */
const REGISTRATION_GROUP = 'apiregistration.k8s.io'

/** What is served here without an APIService (yet) comes last, in the catalog's order. Pure. */
export function mergeGroups(
  own: readonly CatalogGroup[],
  services: Iterable<APIService>,
  remote: (group: string, version: string) => RemoteVersion | undefined,
): DiscoveredGroup[] {
  const ownVersions = new Map(own.map(({ name, versions }) => [name, versions]))
  const versionOf = (group: string, version: string): DiscoveredVersion[] => {
    const found = remote(group, version)
    if (found) return [{ version, remote: found }]
    return ownVersions.get(group)?.includes(version) ? [{ version }] : []
  }
  const ordered = orderGroups(services)
  const listed = new Map(ordered.map(({ name, versions }) => [name, versions]))
  const names = new Set([
    ...own.filter(({ name }) => name === '' || name === REGISTRATION_GROUP).map(({ name }) => name),
    ...ordered.map(({ name }) => name),
    ...own.map(({ name }) => name),
  ])
  return [...names].flatMap((name) => {
    const versions = new Set([...(listed.get(name) ?? []), ...(ownVersions.get(name) ?? [])])
    const found = [...versions].flatMap((version) => versionOf(name, version))
    return found.length > 0 ? [{ name, versions: found }] : []
  })
}

export function discoveredGroups(catalog: Catalog, aggregation: Aggregation): DiscoveredGroups {
  let made: { of: unknown; generation: number; groups: DiscoveredGroup[] } | undefined
  return () => {
    const { groups } = catalog
    const { generation } = aggregation
    if (made?.of !== groups || made.generation !== generation) {
      const merged = mergeGroups(groups, aggregation.apiServices, (group, version) => aggregation.remote(group, version)?.discovered)
      made = { of: groups, generation, groups: merged }
    }
    return made.groups
  }
}
