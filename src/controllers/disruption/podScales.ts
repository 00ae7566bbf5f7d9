/** How many pods the controllers of some pods want: built-in ones say so themselves, others by their scale. */
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { deployments, replicasets, statefulsets } from '../../api/kinds/apps/v1.ts'
import { replicationcontrollers, type Pod } from '../../api/kinds/core/v1.ts'
import type { OwnerReference } from '../../api/kinds/meta/v1.ts'
import { controllerOf } from '../../api/meta.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import type { Informer, Informers } from '../../client/informer.ts'
import { watch, type Watch } from '../../reconcile/controller.ts'
import { ownerKey } from '../ownership.ts'
import { scalesOf } from '../scales.ts'
import type { ScaleOfPods } from './plan.ts'

interface ControllerScale {
  uid: string
  replicas: number
}

export interface PodScales {
  of(selected: readonly Pod[], signal: AbortSignal): Promise<ScaleOfPods>
  /** What has to be known before. The numbers change with the pods: they concern no budget by themselves. */
  watches: readonly Watch[]
}

const qualifiedName = ({ group, resource }: Resource): string => (group ? `${resource}.${group}` : resource)

export function podScales(client: Client, informers: Informers): PodScales {
  const deploymentInformer = informers.for(deployments)
  const replicaSetInformer = informers.for(replicasets)
  const statefulSetInformer = informers.for(statefulsets)
  const replicationInformer = informers.for(replicationcontrollers)
  const scales = scalesOf(client, informers.for(customresourcedefinitions))

  /** The built-in controller that decides how many pods there are, and its number. */
  function builtInScaleOf(pod: Pod, { name, uid }: OwnerReference): ControllerScale | undefined {
    const key = `${pod.metadata.namespace}/${name}`
    const found = <T extends KubeObject>(informer: Informer<T>, resource: Resource<T>): T | undefined => {
      const owner = ownerKey(pod, resource) ? informer.get(key) : undefined
      return owner?.metadata.uid === uid ? owner : undefined
    }
    const set = found(replicaSetInformer, replicasets)
    const deployment = set && ownerKey(set, deployments) ? deploymentInformer.get(ownerKey(set, deployments) ?? '') : undefined
    const scale = deployment ?? set ?? found(statefulSetInformer, statefulsets) ?? found(replicationInformer, replicationcontrollers)
    return scale && { uid: scale.metadata.uid, replicas: scale.spec.replicas ?? 1 }
  }

  /** That of any other kind, by its scale; throws where it can have none. */
  async function otherScaleOf(pod: Pod, owner: OwnerReference, signal: AbortSignal): Promise<ControllerScale | undefined> {
    const { apiVersion, kind, name, uid } = owner
    const [resource] = scales.resourcesOf(owner)
    if (!resource) throw new Error(`no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`)
    if (!scales.hasScale(resource)) throw new Error(`${qualifiedName(resource)} does not implement the scale subresource`)
    try {
      const { metadata, spec } = await scales.read(resource, { namespace: pod.metadata.namespace, name }, signal)
      return metadata.uid === uid ? { uid, replicas: spec?.replicas ?? 0 } : undefined
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /** What the pods' controllers want together; pods without one are told by name. */
  async function of(selected: readonly Pod[], signal: AbortSignal): Promise<ScaleOfPods> {
    const replicasBy = new Map<string, number>()
    const known = new Set<string>()
    const unmanaged: string[] = []
    for (const pod of selected) {
      const owner = controllerOf(pod)
      if (!owner) unmanaged.push(pod.metadata.name)
      if (!owner || known.has(owner.uid)) continue
      try {
        const scale = builtInScaleOf(pod, owner) ?? (await otherScaleOf(pod, owner, signal))
        if (!scale) return { problem: `found no controllers for pod ${JSON.stringify(pod.metadata.name)}` }
        known.add(owner.uid)
        replicasBy.set(scale.uid, scale.replicas)
      } catch (error) {
        signal.throwIfAborted()
        return { problem: (error as Error).message }
      }
    }
    return { replicas: [...replicasBy.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged }
  }

  const followed = [deployments, replicasets, statefulsets, replicationcontrollers, customresourcedefinitions] as readonly Resource[]
  return { of, watches: followed.map((resource) => watch(resource, () => [])) }
}
