/** Keeps the cache, the promises and the queue up with what changes in the cluster. */
import { namespaces, nodes, persistentvolumeclaims, persistentvolumes, pods, type Node, type Pod } from '../api/kinds/core/v1.ts'
import { deviceclasses, resourceclaims, resourceslices } from '../api/kinds/resource/v1.ts'
import { csidrivers, csinodes, csistoragecapacities, storageclasses, volumeattachments } from '../api/kinds/storage/v1.ts'
import { deepEqual } from '../api/meta.ts'
import { hasFinished } from '../api/pods.ts'
import type { KubeObject, Resource } from '../api/resource.ts'
import type { Change } from '../client/informer.ts'
import { ADD, DELETE, nodeActions, podActions, UPDATE_OTHER, type EventResource } from './events.ts'
import type { SchedulerParts } from './parts.ts'
import { newPodInfo } from './podInfo.ts'

/** Resources whose changes are nothing but events for the queue. */
export const EVENT_RESOURCES: readonly [EventResource, Resource<KubeObject>][] = [
  ['PersistentVolumeClaim', persistentvolumeclaims as Resource],
  ['PersistentVolume', persistentvolumes as Resource],
  ['StorageClass', storageclasses as Resource],
  ['CSINode', csinodes as Resource],
  ['CSIDriver', csidrivers as Resource],
  ['CSIStorageCapacity', csistoragecapacities as Resource],
  ['VolumeAttachment', volumeattachments as Resource],
  ['ResourceClaim', resourceclaims as Resource],
  ['ResourceSlice', resourceslices as Resource],
  ['DeviceClass', deviceclasses as Resource],
]

type Changed = Pick<SchedulerParts, 'informers' | 'cache' | 'queue' | 'nominator' | 'profileOf'>

/** @param isBeingBound whether a pod's node is chosen and not in the API yet */
export function followCluster(parts: Changed, isBeingBound: (uid: string) => boolean): () => void {
  const { informers, cache, queue, nominator, profileOf } = parts

  function nodeChanged({ key, before, after }: Change<Node>): void {
    if (!after) {
      cache.removeNode(key)
      queue.moved({ resource: 'Node', actions: DELETE, before })
      return
    }
    const actions = before ? nodeActions(before, after) : ADD
    // A heartbeat is nothing to the cache.
    if (actions === 0 && before?.status?.images === after.status?.images) return
    cache.setNode(after)
    if (actions !== 0) queue.moved({ resource: 'Node', actions, before, after })
  }

  function podGone(pod: Pod): void {
    const { uid } = pod.metadata
    queue.delete(uid)
    cache.removePod(uid)
    const wasPromised = nominator.nodeOf(uid) !== undefined
    nominator.delete(uid)
    // A place that was promised only is free again as well.
    const nodeName = pod.spec.nodeName ?? (wasPromised ? (pod.status?.nominatedNodeName ?? '') : undefined)
    if (nodeName === undefined) return
    const before = pod.spec.nodeName ? pod : { ...pod, spec: { ...pod.spec, nodeName } }
    queue.moved({ resource: 'Pod', actions: DELETE, before })
  }

  function podPlaced(before: Pod | undefined, after: Pod): void {
    const { uid } = after.metadata
    queue.delete(uid)
    nominator.delete(uid)
    cache.setPod(after, after.spec.nodeName as string)
    const wasPlaced = before !== undefined && before.spec.nodeName !== undefined && before.metadata.uid === uid
    const actions = wasPlaced ? podActions(before, after) : ADD
    if (actions !== UPDATE_OTHER) queue.moved({ resource: 'Pod', actions, ...(wasPlaced && { before }), after })
  }

  function podWaiting(before: Pod | undefined, after: Pod): void {
    const { uid, deletionTimestamp } = after.metadata
    if (!profileOf(after) || deletionTimestamp) {
      queue.delete(uid)
      nominator.delete(uid)
      return
    }
    const nominated = after.status?.nominatedNodeName
    if (nominated && !cache.isAssumed(uid)) nominator.set(newPodInfo(after), nominated)
    else if (before?.status?.nominatedNodeName && !nominated) nominator.delete(uid)
    if (isBeingBound(uid)) return
    const promised = before?.status?.nominatedNodeName
    if (before && promised && promised !== nominated) {
      // What was promised to it is free for those that are not more important.
      const left = { ...before, spec: { ...before.spec, nodeName: promised } }
      queue.moved({ resource: 'Pod', actions: DELETE, before: left })
    }
    if (before && (queue.has(uid) || queue.isInFlight(uid))) queue.update(before, after)
    else if (!queue.has(uid)) queue.add(after)
  }

  function podChanged({ before, after }: Change<Pod>): void {
    if (before && after && before.metadata.uid !== after.metadata.uid) podGone(before)
    if (!after || hasFinished(after)) return podGone((after ?? before) as Pod)
    if (after.spec.nodeName) podPlaced(before, after)
    else podWaiting(before, after)
  }

  const stops = [
    informers.for(nodes).onChange(nodeChanged),
    informers.for(pods).onChange(podChanged),
    informers.for(namespaces).onChange(({ before, after }) => {
      // Only a change of labels can matter, to terms with a namespace selector.
      if (before && after && !deepEqual(before.metadata.labels, after.metadata.labels))
        queue.moved({ resource: 'Namespace', actions: UPDATE_OTHER, before, after })
    }),
    ...EVENT_RESOURCES.map(([resource, of]) =>
      informers
        .for(of)
        .onChange(({ before, after }) => queue.moved({ resource, actions: after ? (before ? UPDATE_OTHER : ADD) : DELETE, before, after })),
    ),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}
