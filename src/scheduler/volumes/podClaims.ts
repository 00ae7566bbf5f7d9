/** The claims that a pod mounts: those that are bound, those that are to be bound on its node, and what keeps it from all nodes. */
import type { PersistentVolumeClaim, Pod } from '../../api/kinds/core/v1.ts'
import { isControlledBy } from '../../api/meta.ts'
import { claimNameOf } from '../../api/pods.ts'
import { keyOf } from '../../api/resource.ts'
import { storageClassOf } from '../../api/volumeMatching.ts'
import type { VolumeListers } from './listers.ts'

const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed'

export const isBound = ({ metadata, spec }: PersistentVolumeClaim): boolean =>
  Boolean(spec.volumeName && metadata.annotations?.[BIND_COMPLETED] !== undefined)

export interface PodClaims {
  bound: readonly PersistentVolumeClaim[]
  /** To be bound once a node is chosen. */
  delayed: readonly PersistentVolumeClaim[]
  /** Why the pod cannot go anywhere yet. */
  problem?: string
}

/** Why a claim that a pod mounts keeps it from every node; undefined when it does not. */
function claimProblem(pod: Pod, name: string, claim: PersistentVolumeClaim | undefined, isEphemeral: boolean): string | undefined {
  if (!claim) {
    const missing = `persistentvolumeclaim "${name}"`
    return isEphemeral ? `waiting for ephemeral volume controller to create the ${missing}` : `${missing} not found`
  }
  const { metadata, spec, status } = claim
  if (status?.phase === 'Lost') return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${spec.volumeName ?? ''}"`
  if (metadata.deletionTimestamp !== undefined) return `persistentvolumeclaim "${name}" is being deleted`
  if (!isEphemeral || isControlledBy(claim, pod)) return undefined
  return `PVC ${keyOf(claim)} was not created for pod ${keyOf(pod)} (pod is not owner)`
}

export function claimsOf(pod: Pod, { claims, classes }: Pick<VolumeListers, 'claims' | 'classes'>): PodClaims {
  const bound: PersistentVolumeClaim[] = []
  const delayed: PersistentVolumeClaim[] = []
  let isUnbound = false
  for (const volume of pod.spec.volumes ?? []) {
    const name = claimNameOf(pod, volume)
    if (name === undefined) continue
    const claim = claims.get(`${pod.metadata.namespace}/${name}`)
    const problem = claimProblem(pod, name, claim, volume.ephemeral !== undefined)
    if (problem !== undefined || !claim) return { bound, delayed, problem: problem ?? '' }
    const waits = classes.get(storageClassOf(claim))?.volumeBindingMode === 'WaitForFirstConsumer'
    if (isBound(claim)) bound.push(claim)
    else if (waits && !claim.spec.volumeName) delayed.push(claim)
    else isUnbound = true
  }
  return { bound, delayed, ...(isUnbound && { problem: 'pod has unbound immediate PersistentVolumeClaims' }) }
}
