/** What an autoscaler sizes: any kind with a scale, built in or of a custom resource, read and written by its scale alone. */
import { loadCatalog } from '../../api/catalog/load.ts'
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import type { Scale } from '../../api/kinds/autoscaling/v1.ts'
import type { CrossVersionObjectReference, HorizontalPodAutoscaler } from '../../api/kinds/autoscaling/v2.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import { isConflict, newStatusError } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import type { Informer } from '../../client/informer.ts'
import { builtInResources, customResource, kindId, kindIdOf } from '../deletableResources.ts'

/** How often a scale that somebody else writes at the same time is written anew. */
const SCALE_TRIES = 5

export type ScaleObject = Scale & { metadata: KubeObject['metadata'] }

export interface ScaleTarget {
  resource: Resource
  scale: ScaleObject
}

export interface ScaleTargets {
  /** All that serve the kind; throws where nothing does. */
  resourcesOf(reference: CrossVersionObjectReference): Resource[]
  read(autoscaler: HorizontalPodAutoscaler, signal: AbortSignal): Promise<ScaleTarget>
  write(target: ScaleTarget, replicas: number, signal: AbortSignal): Promise<void>
}

export function scaleTargets(client: Client, definitions: Informer<CustomResourceDefinition>): ScaleTargets {
  let builtIn: Resource[] | undefined

  function resourcesOf({ apiVersion = '', kind }: CrossVersionObjectReference): Resource[] {
    const id = kindId(apiVersion, kind)
    builtIn ??= builtInResources()
    const custom = definitions.list().flatMap((definition) => customResource(definition) ?? [])
    const found = [...builtIn, ...custom].filter((resource) => kindIdOf(resource) === id)
    if (found.length > 0) return found
    throw new Error(`no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(id.slice(0, id.indexOf('/')))}`)
  }

  function hasScale({ group, version, resource }: Resource): boolean {
    const entry = loadCatalog()
      .resources(group, version)
      .find((candidate) => candidate.resource === resource)
    if (entry) return entry.subresources.some(({ name }) => name === 'scale')
    const definition = definitions.get(`${resource}.${group}`)
    const served = definition?.spec.versions.find(({ name }) => name === version)
    return served?.subresources?.scale !== undefined
  }

  /** The first of the kind's resources that has a scale. */
  async function read(autoscaler: HorizontalPodAutoscaler, signal: AbortSignal): Promise<ScaleTarget> {
    const { namespace } = autoscaler.metadata
    const { name } = autoscaler.spec.scaleTargetRef
    let firstError: unknown
    for (const resource of resourcesOf(autoscaler.spec.scaleTargetRef)) {
      try {
        if (!hasScale(resource)) throw newStatusError(404, 'NotFound', 'the server could not find the requested resource')
        return { resource, scale: (await client.get(resource, { namespace, name, subresource: 'scale', signal })) as ScaleObject }
      } catch (error) {
        signal.throwIfAborted()
        firstError ??= error
      }
    }
    throw firstError
  }

  async function write({ resource, scale }: ScaleTarget, replicas: number, signal: AbortSignal): Promise<void> {
    const { namespace = '', name } = scale.metadata
    let newest = scale
    for (let tries = 1; ; tries++) {
      try {
        const next: ScaleObject = { ...newest, spec: { ...newest.spec, replicas } }
        await client.update(resource, next, { subresource: 'scale', signal })
        return
      } catch (error) {
        if (!isConflict(error) || tries === SCALE_TRIES) throw error
        newest = (await client.get(resource, { namespace, name, subresource: 'scale', signal })) as ScaleObject
      }
    }
  }

  return { resourcesOf, read, write }
}
