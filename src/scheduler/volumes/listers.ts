/** What plugins look up about volumes. */
import { persistentvolumeclaims, persistentvolumes, type PersistentVolume, type PersistentVolumeClaim } from '../../api/kinds/core/v1.ts'
import {
  csidrivers,
  csinodes,
  csistoragecapacities,
  storageclasses,
  volumeattachments,
  type CSIDriver,
  type CSINode,
  type CSIStorageCapacity,
  type StorageClass,
  type VolumeAttachment,
} from '../../api/kinds/storage/v1.ts'
import type { Informers, Lister } from '../../client/informer.ts'

export interface VolumeListers {
  claims: Lister<PersistentVolumeClaim>
  volumes: Lister<PersistentVolume>
  classes: Lister<StorageClass>
  nodes: Lister<CSINode>
  drivers: Lister<CSIDriver>
  attachments: Lister<VolumeAttachment>
  capacities: Lister<CSIStorageCapacity>
}

export const ATTACHMENTS_BY_NODE = 'node'

export function volumeListers(informers: Informers): VolumeListers {
  const attachments = informers.for(volumeattachments)
  attachments.addIndex(ATTACHMENTS_BY_NODE, ({ spec }) => [spec.nodeName])
  return {
    claims: informers.for(persistentvolumeclaims),
    volumes: informers.for(persistentvolumes),
    classes: informers.for(storageclasses),
    nodes: informers.for(csinodes),
    drivers: informers.for(csidrivers),
    attachments,
    capacities: informers.for(csistoragecapacities),
  }
}
