/** Volumes of drivers that were part of Kubernetes once are those of their CSI successors (csi-translation-lib), as far as limits go. */
import type { PersistentVolume, Volume } from '../../api/kinds/core/v1.ts'

export interface CsiVolume {
  driver: string
  handle: string
}

/** By the provisioner of the former driver. */
const SUCCESSORS: Readonly<Record<string, string>> = {
  'kubernetes.io/aws-ebs': 'ebs.csi.aws.com',
  'kubernetes.io/azure-disk': 'disk.csi.azure.com',
  'kubernetes.io/cinder': 'cinder.csi.openstack.org',
  'kubernetes.io/gce-pd': 'pd.csi.storage.gke.io',
  'kubernetes.io/portworx-volume': 'pxd.portworx.com',
}

/** The driver behind a storage class's provisioner. */
export const driverOf = (provisioner: string): string => SUCCESSORS[provisioner] ?? provisioner

type Source = Pick<
  NonNullable<PersistentVolume['spec']> & Volume,
  'awsElasticBlockStore' | 'azureDisk' | 'cinder' | 'gcePersistentDisk' | 'portworxVolume'
>

/** What a source of a former driver is by its successor; `zone` is where it is known to be. */
export function successorOf(source: Source, zone = 'UNSPECIFIED'): CsiVolume | undefined {
  const { awsElasticBlockStore, azureDisk, cinder, gcePersistentDisk, portworxVolume } = source
  const successor = (provisioner: string, handle: string): CsiVolume => ({ driver: SUCCESSORS[provisioner] as string, handle })
  // `aws://us-east-1a/vol-1` is `vol-1`.
  if (awsElasticBlockStore) return successor('kubernetes.io/aws-ebs', awsElasticBlockStore.volumeID.split('/').at(-1) as string)
  if (azureDisk) return successor('kubernetes.io/azure-disk', azureDisk.diskURI)
  if (cinder) return successor('kubernetes.io/cinder', cinder.volumeID)
  if (gcePersistentDisk) return successor('kubernetes.io/gce-pd', `projects/UNSPECIFIED/zones/${zone}/disks/${gcePersistentDisk.pdName}`)
  if (portworxVolume) return successor('kubernetes.io/portworx-volume', portworxVolume.volumeID)
  return undefined
}
