/**
 * The resources whose objects can be owned and deleted: the built-in ones by the catalog, custom ones by their definitions.
 * Components talk to the API by resource, so that both come without asking its discovery.
 */
import type { CustomResourceDefinition } from '../api/kinds/apiextensions/v1.ts'
import { findCondition } from '../api/meta.ts'
import { loadCatalog } from '../api/catalog/load.ts'
import { apiVersionOf, type Resource } from '../api/resource.ts'

export const NEEDED_VERBS = ['list', 'watch', 'delete']

/** Every built-in resource once, in its group's preferred version. */
export function builtInResources(): Resource[] {
  const catalog = loadCatalog()
  const found = new Map<string, Resource>()
  for (const { name: group, versions } of catalog.groups) {
    for (const version of versions) {
      for (const { resource, kind, namespaced, verbs } of catalog.resources(group, version)) {
        const id = `${group}/${resource}`
        if (found.has(id) || !NEEDED_VERBS.every((verb) => verbs.includes(verb))) continue
        found.set(id, { group, version, resource, kind, namespaced })
      }
    }
  }
  // The same objects are served under two groups; events own nothing and are owned by nothing.
  found.delete('events.k8s.io/events')
  return [...found.values()]
}

/** All versions in which the server has the built-in resource. */
export function servedVersions({ group, resource }: Resource): string[] {
  const catalog = loadCatalog()
  const versions = catalog.groups.find(({ name }) => name === group)?.versions ?? []
  return versions.filter((version) => catalog.resources(group, version).some((candidate) => candidate.resource === resource))
}

/** The custom resource that a definition serves now. */
export function customResource(definition: CustomResourceDefinition): Resource | undefined {
  const established = findCondition(definition.status?.conditions, 'Established')?.status === 'True'
  const version =
    definition.spec.versions.find((candidate) => candidate.storage && candidate.served) ??
    definition.spec.versions.find((candidate) => candidate.served)
  if (!established || !version) return undefined
  const { group, names, scope } = definition.spec
  return { group, version: version.name, resource: names.plural, kind: names.kind, namespaced: scope === 'Namespaced' }
}

export function resourceId({ group, resource }: Pick<Resource, 'group' | 'resource'>): string {
  return `${group}/${resource}`
}

/** Owner references name kinds of any served version of a group. */
export function kindId(apiVersion: string, kind: string): string {
  const slash = apiVersion.indexOf('/')
  return `${slash < 0 ? '' : apiVersion.slice(0, slash)}/${kind}`
}

export function kindIdOf(resource: Resource): string {
  return kindId(apiVersionOf(resource), resource.kind)
}
