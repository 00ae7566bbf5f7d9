/** The groups and versions that clients discover: the catalog's, and what other servers serve, in the order of their APIServices. */
import type { Catalog } from '../../api/catalog/catalog.ts'
import type { JsonObject } from '../../api/resource.ts'

export interface DiscoveredVersion {
  version: string
  /** Of a version that another server serves: what it says of itself, and whether it could be asked lately. */
  remote?: { resources: readonly JsonObject[]; freshness: 'Current' | 'Stale' }
}

export interface DiscoveredGroup {
  /** '' is core. */
  name: string
  versions: readonly DiscoveredVersion[]
}

/** The same array as before where nothing has changed. */
export type DiscoveredGroups = () => readonly DiscoveredGroup[]

/** Without aggregation: the catalog's own. */
export function catalogGroups(catalog: Catalog): DiscoveredGroups {
  let made: { of: unknown; groups: DiscoveredGroup[] } | undefined
  return () => {
    const { groups } = catalog
    if (made?.of !== groups) {
      made = { of: groups, groups: groups.map(({ name, versions }) => ({ name, versions: versions.map((version) => ({ version })) })) }
    }
    return made.groups
  }
}
