/**
 * The provisioner of the default storage class: a volume is a directory of the node that its pod runs on. The kubelet
 * makes the directory when it is first mounted; its removal is left to a function that is given from outside.
 */
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/kinds/core/v1.ts'
import type { StorageClass } from '../../api/kinds/storage/v1.ts'
import type { Draft } from '../../api/resource.ts'
import { referenceTo } from './matching.ts'

export const PROVISIONER = 'minicube.local/host-path'
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by'

export interface HostPathVolumes {
  /** Where the volumes' directories are. */
  directory: string
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
  nodeName: string | undefined,
): Draft<PersistentVolume> {
  const name = provisionedName(claim)
  const required = {
    nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName ?? ''] }] }],
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
      ...(nodeName && { nodeAffinity: { required } }),
    },
  }
}
