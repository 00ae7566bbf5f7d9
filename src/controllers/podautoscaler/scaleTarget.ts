/** What an autoscaler sizes: any kind with a scale, read and written by its scale alone. */
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import type { CrossVersionObjectReference, HorizontalPodAutoscaler } from '../../api/kinds/autoscaling/v2.ts'
import type { Resource } from '../../api/resource.ts'
import { isConflict, newStatusError } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import type { Informer } from '../../client/informer.ts'
import { kindId } from '../deletableResources.ts'
import { scalesOf, type ScaleObject } from '../scales.ts'

/** How often a scale that somebody else writes at the same time is written anew. */
const SCALE_TRIES = 5

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
  const scales = scalesOf(client, definitions)

  function resourcesOf(reference: CrossVersionObjectReference): Resource[] {
    const found = scales.resourcesOf(reference)
    if (found.length > 0) return found
    const id = kindId(reference.apiVersion ?? '', reference.kind)
    throw new Error(`no matches for kind ${JSON.stringify(reference.kind)} in group ${JSON.stringify(id.slice(0, id.indexOf('/')))}`)
  }

  /** The first of the kind's resources that has a scale. */
  async function read(autoscaler: HorizontalPodAutoscaler, signal: AbortSignal): Promise<ScaleTarget> {
    const { namespace } = autoscaler.metadata
    const { name } = autoscaler.spec.scaleTargetRef
    let firstError: unknown
    for (const resource of resourcesOf(autoscaler.spec.scaleTargetRef)) {
      try {
        if (!scales.hasScale(resource)) throw newStatusError(404, 'NotFound', 'the server could not find the requested resource')
        return { resource, scale: await scales.read(resource, { namespace, name }, signal) }
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
        newest = await scales.read(resource, { namespace, name }, signal)
      }
    }
  }

  return { resourcesOf, read, write }
}
