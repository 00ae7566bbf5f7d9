/** The catalog with the custom resources in it. What has not changed answers the very same arrays: discovery goes by that. */
import type { Catalog, CatalogGroup, CatalogResource } from '../../api/catalog/catalog.ts'
import { compareVersions } from './definitions.ts'

export class ServedCatalog implements Catalog {
  readonly #builtIn: Catalog
  #groups: readonly CatalogGroup[]
  /** By `group/version`. */
  #custom = new Map<string, readonly CatalogResource[]>()
  #byName = new Map<string, CatalogResource>()

  constructor(builtIn: Catalog) {
    this.#builtIn = builtIn
    this.#groups = builtIn.groups
  }

  /** Everything that definitions serve, anew. */
  serve(resources: readonly CatalogResource[]): void {
    const before = this.#custom
    const byGroupVersion = Map.groupBy(resources, ({ group, version }) => `${group}/${version}`)
    this.#custom = new Map([...byGroupVersion].map(([key, found]) => [key, sameOr(before.get(key), found)]))
    this.#byName = new Map(resources.map((resource) => [`${resource.group}/${resource.version}/${resource.resource}`, resource]))
    const known = new Set(this.#builtIn.groups.map(({ name }) => name))
    const byGroup = Map.groupBy(
      resources.filter(({ group }) => !known.has(group)),
      ({ group }) => group,
    )
    const custom = [...byGroup].map(([name, found]): CatalogGroup => {
      const versions = [...new Set(found.map(({ version }) => version))].sort(compareVersions)
      const kept = this.#groups.find((group) => group.name === name)
      return kept && kept.versions.join() === versions.join() ? kept : { name, versions }
    })
    const groups = [...this.#withCustomVersions(), ...custom.sort((a, b) => (a.name < b.name ? -1 : 1))]
    if (groups.length !== this.#groups.length || groups.some((group, i) => group !== this.#groups[i])) this.#groups = groups
  }

  /** Definitions may add versions to groups that are built in. */
  #withCustomVersions(): readonly CatalogGroup[] {
    return this.#builtIn.groups.map((group) => {
      const prefix = `${group.name}/`
      const more = [...this.#custom.keys()]
        .filter((key) => key.startsWith(prefix))
        .map((key) => key.slice(prefix.length))
        .filter((version) => !group.versions.includes(version))
      if (more.length === 0) return group
      const versions = [...group.versions, ...more.sort(compareVersions)]
      const kept = this.#groups.find(({ name }) => name === group.name)
      return kept && kept.versions.join() === versions.join() ? kept : { name: group.name, versions }
    })
  }

  get groups(): readonly CatalogGroup[] {
    return this.#groups
  }

  resources(group: string, version: string): readonly CatalogResource[] {
    const custom = this.#custom.get(`${group}/${version}`)
    const own = this.#builtIn.resources(group, version)
    if (!custom) return own
    return own.length === 0 ? custom : this.#joined(own, custom)
  }

  readonly #joins = new WeakMap<readonly CatalogResource[], readonly CatalogResource[]>()

  #joined(own: readonly CatalogResource[], custom: readonly CatalogResource[]): readonly CatalogResource[] {
    let joined = this.#joins.get(custom)
    if (!joined) this.#joins.set(custom, (joined = [...own, ...custom]))
    return joined
  }

  resource(group: string, version: string, resource: string): CatalogResource | undefined {
    return this.#builtIn.resource(group, version, resource) ?? this.#byName.get(`${group}/${version}/${resource}`)
  }

  typeOfKind: Catalog['typeOfKind'] = (kind) => this.#builtIn.typeOfKind(kind)
  type: Catalog['type'] = (name) => this.#builtIn.type(name)

  get kinds(): Catalog['kinds'] {
    return this.#builtIn.kinds
  }

  get typeNames(): Catalog['typeNames'] {
    return this.#builtIn.typeNames
  }

  get everywhere(): Catalog['everywhere'] {
    return this.#builtIn.everywhere
  }
}

function sameOr<T>(before: readonly T[] | undefined, after: readonly T[]): readonly T[] {
  return before && before.length === after.length && before.every((item, i) => item === after[i]) ? before : after
}
