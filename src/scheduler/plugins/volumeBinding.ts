/**
 * VolumeBinding: a pod goes where its claims' volumes can be reached; claims that wait for their first consumer are told the
 * node, and the pod is bound when they are.
 */
import { persistentvolumeclaims, persistentvolumes, type PersistentVolume, type PersistentVolumeClaim, type Pod } from '../../api/kinds/core/v1.ts'
import { storageclasses, type StorageClass } from '../../api/kinds/storage/v1.ts'
import { keyOf } from '../../api/resource.ts'
import type { Client } from '../../client/client.ts'
import type { Informers, Lister } from '../../client/informer.ts'
import { FITS, refuses, type FilterPlugin, type NodeInfo, type Verdict } from '../framework.ts'
import { matchesTerm } from './nodeAffinity.ts'

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

/** Names of the claims that a pod mounts; those of ephemeral volumes are named after pod and volume. */
function claimNames({ metadata, spec }: Pod): string[] {
  return (spec.volumes ?? []).flatMap((volume) => {
    if (volume.persistentVolumeClaim) return [volume.persistentVolumeClaim.claimName]
    return volume.ephemeral ? [`${metadata.name}-${volume.name}`] : []
  })
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

export function claimsOf(pod: Pod, listers: VolumeListers): PodClaims {
  const bound: PersistentVolumeClaim[] = []
  const delayed: PersistentVolumeClaim[] = []
  for (const name of claimNames(pod)) {
    const claim = listers.claims.get(`${pod.metadata.namespace}/${name}`)
    if (!claim) return { bound, delayed, problem: `persistentvolumeclaim "${name}" not found` }
    if (claim.metadata.deletionTimestamp) return { bound, delayed, problem: `persistentvolumeclaim "${name}" is being deleted` }
    if (claim.status?.phase === 'Lost') return { bound, delayed, problem: `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec.volumeName}"` }
    if (isBound(claim)) bound.push(claim)
    else if (waitsForConsumer(claim, listers)) delayed.push(claim)
    else return { bound, delayed, problem: 'pod has unbound immediate PersistentVolumeClaims' }
  }
  return { bound, delayed }
}

function volumeFits(claim: PersistentVolumeClaim, info: NodeInfo, { volumes }: VolumeListers): Verdict {
  const volume = volumes.get(claim.spec.volumeName ?? '')
  if (!volume) return refuses('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)', false)
  const required = volume.spec.nodeAffinity?.required
  if (!required || required.nodeSelectorTerms.some((term) => matchesTerm(term, info.node))) return FITS
  return refuses("node(s) didn't match PersistentVolume's node affinity", false)
}

export function volumeBindingFilter(listers: VolumeListers): FilterPlugin {
  return {
    name: 'VolumeBinding',
    prepare(pod) {
      const { bound, delayed, problem } = claimsOf(pod, listers)
      if (problem) return () => refuses(problem, false)
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
    await client.patch(persistentvolumeclaims, { ...at, type: 'application/merge-patch+json' }, { metadata: { annotations: { [SELECTED_NODE]: nodeName } } })
  }
  await allBound(delayed.map(keyOf), informers, limit)
}

async function allBound(keys: readonly string[], informers: Informers, signal: AbortSignal): Promise<void> {
  const informer = informers.for(persistentvolumeclaims)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const check = (): void => {
    if (keys.every((key) => isBoundClaim(informer.get(key)))) resolve()
  }
  const onAbort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  const stop = informer.onChange(check)
  try {
    check()
    await promise
  } finally {
    stop()
    signal.removeEventListener('abort', onAbort)
  }
}

const isBoundClaim = (claim: PersistentVolumeClaim | undefined): boolean => claim !== undefined && isBound(claim)
