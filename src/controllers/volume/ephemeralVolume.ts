/** The ephemeral-volume controller: a pod's generic ephemeral volumes get a claim that lives as long as the pod. */
import { persistentvolumeclaims, pods, type Pod } from '../../api/kinds/core/v1.ts'
import { isControlledBy, newControllerRef } from '../../api/meta.ts'
import { keyOf } from '../../api/resource.ts'
import { isAlreadyExists } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext } from '../../reconcile/controller.ts'
import { isActive } from '../podState.ts'
import { isNamespaceTerminating } from '../podControl.ts'

const hasEphemeral = (pod: Pod): boolean => isActive(pod) && (pod.spec.volumes ?? []).some((volume) => volume.ephemeral)

export function ephemeralVolumeController({ client, informers, events }: ControllerContext): Controller {
  const podInformer = informers.for(pods)
  const claimInformer = informers.for(persistentvolumeclaims)
  return {
    name: 'ephemeral-volume-controller',
    watches: [watch(pods, (pod) => (hasEphemeral(pod) ? [keyOf(pod)] : [])), watch(persistentvolumeclaims, () => [])],
    async reconcile(key, signal) {
      const pod = podInformer.get(key)
      if (!pod || !isActive(pod)) return
      for (const { name: volume, ephemeral } of pod.spec.volumes ?? []) {
        const template = ephemeral?.volumeClaimTemplate
        if (!template) continue
        const name = `${pod.metadata.name}-${volume}`
        const known = claimInformer.get(`${pod.metadata.namespace}/${name}`)
        if (known && isControlledBy(known, pod)) continue
        if (known) {
          const problem = `PVC ${pod.metadata.namespace}/${name} was not created for pod ${key} (pod is not owner)`
          events.record(pod, { type: 'Warning', reason: 'FailedBinding', message: `ephemeral volume ${volume}: ${problem}` })
          throw new Error(problem)
        }
        const { labels, annotations } = template.metadata ?? {}
        const metadata = {
          name,
          namespace: pod.metadata.namespace,
          ...(labels && { labels }),
          ...(annotations && { annotations }),
          ownerReferences: [newControllerRef(pod, pods)],
        }
        try {
          await client.create(persistentvolumeclaims, { metadata, spec: template.spec }, { signal })
        } catch (error) {
          if (isAlreadyExists(error) || isNamespaceTerminating(error)) continue
          events.record(pod, {
            type: 'Warning',
            reason: 'EphemeralVolumeCreateFailed',
            message: `ephemeral volume controller: create PVC ${name}: ${String(error)}`,
          })
          throw error
        }
      }
    },
  }
}
