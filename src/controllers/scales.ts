/** The scales of objects of any kind, built in or of a custom resource: who asks for one knows a kind and a name alone. */
import { loadCatalog } from '../api/catalog/load.ts'
import type { CustomResourceDefinition } from '../api/kinds/apiextensions/v1.ts'
import type { Scale } from '../api/kinds/autoscaling/v1.ts'
import type { KubeObject, Resource } from '../api/resource.ts'
import type { Client } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import { builtInResources, customResource, kindId, kindIdOf } from './deletableResources.ts'

export type ScaleObject = Scale & { metadata: KubeObject['metadata'] }

export interface Scales {
  /** All that serve the kind; none where nothing does. */
  resourcesOf(reference: { apiVersion?: string; kind: string }): Resource[]
  hasScale(resource: Resource): boolean
  read(resource: Resource, at: { namespace: string; name: string }, signal: AbortSignal): Promise<ScaleObject>
}

export function scalesOf(client: Client, definitions: Informer<CustomResourceDefinition>): Scales {
  let builtIn: Resource[] | undefined
  return {
    resourcesOf({ apiVersion = '', kind }) {
      const id = kindId(apiVersion, kind)
      builtIn ??= builtInResources()
      const custom = definitions.list().flatMap((definition) => customResource(definition) ?? [])
      return [...builtIn, ...custom].filter((resource) => kindIdOf(resource) === id)
    },
    hasScale({ group, version, resource }) {
      const entry = loadCatalog()
        .resources(group, version)
        .find((candidate) => candidate.resource === resource)
      if (entry) return entry.subresources.some(({ name }) => name === 'scale')
      const definition = definitions.get(`${resource}.${group}`)
      const served = definition?.spec.versions.find(({ name }) => name === version)
      return served?.subresources?.scale !== undefined
    },
    async read(resource, at, signal) {
      return (await client.get(resource, { ...at, subresource: 'scale', signal })) as ScaleObject
    },
  }
}
