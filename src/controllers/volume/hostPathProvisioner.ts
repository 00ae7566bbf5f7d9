/**
 * The provisioner of the default storage class: a volume is a directory of the node that its pod runs on. The kubelet
 * makes the directory when it is first mounted; the node that has it removes it, by a function that is given from outside.
 */
import { isOfHostPathClass, PROVISIONED_BY, PROVISIONER } from '../../api/hostPathClass.ts'
import { persistentvolumes, type PersistentVolume, type PersistentVolumeClaim } from '../../api/kinds/core/v1.ts'
import type { StorageClass } from '../../api/kinds/storage/v1.ts'
import type { Draft } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import { referenceTo } from '../../api/volumeMatching.ts'
import type { Client } from '../../client/client.ts'
import { at } from '../ownership.ts'

const HOSTNAME = 'kubernetes.io/hostname'

export interface HostPathVolumes {
  /** Where the volumes' directories are. */
  directory: string
  /** The node whose directories these are; volumes of other nodes are theirs to remove. */
  nodeName: string
  /** Removes the directory of a volume and what is in it. */
  remove(path: string, signal: AbortSignal): Promise<void>
}

export function defaultStorageClass(): Draft<StorageClass> {
  return {
    metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: PROVISIONER,
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
    allowVolumeExpansion: false,
  }
}

export function provisionedName(claim: PersistentVolumeClaim): string {
  return `pvc-${claim.metadata.uid}`
}

/** Why the claim cannot be provisioned; undefined when it can. */
export function refusal(claim: PersistentVolumeClaim): string | undefined {
  if (claim.spec.volumeMode === 'Block') return 'block volumes are not supported'
  if (claim.spec.selector) return 'claim.Spec.Selector is not supported'
  return undefined
}

export function hostPathVolume(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  directory: string,
  nodeName: string,
): Draft<PersistentVolume> {
  const name = provisionedName(claim)
  const required = {
    nodeSelectorTerms: [{ matchExpressions: [{ key: HOSTNAME, operator: 'In', values: [nodeName] }] }],
  }
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, annotations: { [PROVISIONED_BY]: PROVISIONER }, finalizers: ['kubernetes.io/pv-protection'] },
    spec: {
      capacity: { storage: claim.spec.resources?.requests?.['storage'] ?? '0' },
      accessModes: claim.spec.accessModes ?? ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata.name,
      volumeMode: 'Filesystem',
      ...(storageClass.mountOptions && { mountOptions: storageClass.mountOptions }),
      claimRef: referenceTo(claim),
      hostPath: { path: `${directory}/${claim.metadata.namespace}_${claim.metadata.name}_${name}`, type: 'DirectoryOrCreate' },
      nodeAffinity: { required },
    },
  }
}

/** The node that has a volume's directory; undefined where the volume does not say. */
export function nodeOf({ spec }: PersistentVolume): string | undefined {
  const [term] = spec.nodeAffinity?.required?.nodeSelectorTerms ?? []
  return term?.matchExpressions?.find(({ key }) => key === HOSTNAME)?.values?.[0]
}

/** Only what this provisioner made: a path that someone wrote into a volume is never removed. */
export function isProvisioned(volume: PersistentVolume, { directory }: Pick<HostPathVolumes, 'directory'>): boolean {
  const path = volume.spec.hostPath?.path ?? ''
  return isOfHostPathClass(volume) && path.startsWith(`${directory}/`) && !path.split('/').includes('..')
}

export function isToBeRemoved({ metadata, spec, status }: PersistentVolume): boolean {
  return status?.phase === 'Released' && spec.persistentVolumeReclaimPolicy === 'Delete' && metadata.deletionTimestamp === undefined
}

/** The directory first: a volume that is still there is removed again. */
export async function removeVolume(
  client: Client,
  volume: PersistentVolume,
  remove: HostPathVolumes['remove'],
  signal: AbortSignal,
): Promise<void> {
  await remove(volume.spec.hostPath?.path ?? '', signal)
  await client
    .delete(persistentvolumes, { ...at(volume), signal }, { preconditions: { uid: volume.metadata.uid } })
    .catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
}
