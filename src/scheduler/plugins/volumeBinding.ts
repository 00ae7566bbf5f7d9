/**
 * VolumeBinding: a pod goes where its claims' volumes can be reached; claims that wait for their first consumer are told the
 * node, and the pod is bound when they are.
 */
import {
  persistentvolumeclaims,
  persistentvolumes,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
} from '../../api/kinds/core/v1.ts'
import { storageclasses, type StorageClass } from '../../api/kinds/storage/v1.ts'
import { isControlledBy } from '../../api/meta.ts'
import { matchesNodeSelectorTerms } from '../../api/nodeSelector.ts'
import { claimNameOf } from '../../api/pods.ts'
import { keyOf } from '../../api/resource.ts'
import { orAbort } from '../../base/abort.ts'
import type { Client } from '../../client/client.ts'
import type { Informers, Lister } from '../../client/informer.ts'
import { FITS, refuses, type FilterPlugin, type NodeInfo, type Verdict } from '../framework.ts'

const SELECTED_NODE = 'volume.kubernetes.io/selected-node'
const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed'
const BIND_TIMEOUT_MS = 10 * 60_000

export interface VolumeListers {
  claims: Lister<PersistentVolumeClaim>
  volumes: Lister<PersistentVolume>
  classes: Lister<StorageClass>
}

export function volumeListers(informers: Informers): VolumeListers {
  return {
    claims: informers.for(persistentvolumeclaims),
    volumes: informers.for(persistentvolumes),
    classes: informers.for(storageclasses),
  }
}

const isBound = ({ metadata, spec }: PersistentVolumeClaim): boolean => Boolean(spec.volumeName && metadata.annotations?.[BIND_COMPLETED])

function waitsForConsumer({ spec }: PersistentVolumeClaim, { classes }: VolumeListers): boolean {
  return classes.get(spec.storageClassName ?? '')?.volumeBindingMode === 'WaitForFirstConsumer'
}

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

export function claimsOf(pod: Pod, listers: VolumeListers): PodClaims {
  const bound: PersistentVolumeClaim[] = []
  const delayed: PersistentVolumeClaim[] = []
  let unbound = false
  for (const volume of pod.spec.volumes ?? []) {
    const name = claimNameOf(pod, volume)
    if (name === undefined) continue
    const claim = listers.claims.get(`${pod.metadata.namespace}/${name}`)
    const problem = claimProblem(pod, name, claim, volume.ephemeral !== undefined)
    if (problem !== undefined || !claim) return { bound, delayed, problem: problem ?? '' }
    if (isBound(claim)) bound.push(claim)
    else if (waitsForConsumer(claim, listers)) delayed.push(claim)
    else unbound = true
  }
  return { bound, delayed, ...(unbound && { problem: 'pod has unbound immediate PersistentVolumeClaims' }) }
}

function volumeFits(claim: PersistentVolumeClaim, info: NodeInfo, { volumes }: VolumeListers): Verdict {
  const volume = volumes.get(claim.spec.volumeName ?? '')
  if (!volume) return refuses('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)', false)
  const required = volume.spec.nodeAffinity?.required
  if (!required || matchesNodeSelectorTerms(required.nodeSelectorTerms, info.node)) return FITS
  return refuses("node(s) didn't match PersistentVolume's node affinity", false)
}

export function volumeBindingFilter(listers: VolumeListers): FilterPlugin {
  return {
    name: 'VolumeBinding',
    preFilter: (pod) => claimsOf(pod, listers).problem,
    prepare(pod) {
      const { bound, delayed } = claimsOf(pod, listers)
      return (info) => {
        for (const claim of bound) {
          const verdict = volumeFits(claim, info, listers)
          if (!verdict.fits) return verdict
        }
        const elsewhere = delayed.some((claim) => {
          const selected = claim.metadata.annotations?.[SELECTED_NODE]
          return selected && selected !== info.node.metadata.name
        })
        return elsewhere ? refuses("node(s) didn't find available persistent volumes to bind", false) : FITS
      }
    },
  }
}

/** Tells the pod's waiting claims their node and waits until all are bound. */
export async function bindVolumes(pod: Pod, nodeName: string, client: Client, informers: Informers, signal: AbortSignal): Promise<void> {
  const listers = volumeListers(informers)
  const { delayed } = claimsOf(pod, listers)
  if (delayed.length === 0) return
  const limit = AbortSignal.any([signal, AbortSignal.timeout(BIND_TIMEOUT_MS)])
  for (const { metadata } of delayed) {
    if (metadata.annotations?.[SELECTED_NODE] === nodeName) continue
    const at = { namespace: metadata.namespace, name: metadata.name, signal: limit }
    await client.patch(
      persistentvolumeclaims,
      { ...at, type: 'application/merge-patch+json' },
      { metadata: { annotations: { [SELECTED_NODE]: nodeName } } },
    )
  }
  await allBound(delayed.map(keyOf), informers, limit)
}

async function allBound(keys: readonly string[], informers: Informers, signal: AbortSignal): Promise<void> {
  const informer = informers.for(persistentvolumeclaims)
  const { promise, resolve } = Promise.withResolvers<void>()
  const isBoundNow = (key: string): boolean => {
    const claim = informer.get(key)
    return claim !== undefined && isBound(claim)
  }
  const check = (): void => {
    if (keys.every(isBoundNow)) resolve()
  }
  const stop = informer.onChange(check)
  try {
    check()
    await orAbort(promise, signal)
  } finally {
    stop()
  }
}
