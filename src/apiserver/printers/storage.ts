/** Tables of volumes, their claims and classes, and what attaches them. */
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/kinds/core/v1.ts'
import type {
  CSIDriver,
  CSINode,
  StorageClass,
  VolumeAttachment,
  VolumeAttachmentSpec,
  VolumeAttributesClass,
} from '../../api/kinds/storage/v1.ts'
import { age, boolean, integer, name, named, printer, text, wide, type Printers } from './columns.ts'
import { markDefault } from './format.ts'

/** In the order of the cell, whatever that of the object is. */
const ACCESS_MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
}

function accessModes(modes: readonly string[] | undefined): string {
  return Object.keys(ACCESS_MODES)
    .filter((mode) => modes?.includes(mode))
    .map((mode) => ACCESS_MODES[mode])
    .join(',')
}

type Volume = PersistentVolume | PersistentVolumeClaim

function storageClass({ metadata, spec }: Volume): string {
  return metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec?.storageClassName ?? ''
}

const phase = ({ metadata, status }: Volume): string => (metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''))
const attributesClass = text('VolumeAttributesClass', ({ spec }: Volume) => spec?.volumeAttributesClassName ?? '<unset>')
const volumeMode = wide(text('VolumeMode', ({ spec }: Volume) => spec?.volumeMode ?? '<unset>'))

/** The empty object of a bookmark has no source. */
interface Attached {
  spec?: Partial<VolumeAttachmentSpec> | undefined
}

const isBound = ({ spec }: PersistentVolumeClaim): boolean => Boolean(spec?.volumeName)

export const storagePrinters: Printers = {
  '/persistentvolumes': printer<PersistentVolume>(
    name,
    text('Capacity', ({ spec }) => spec?.capacity?.['storage'] ?? '0'),
    text('Access Modes', ({ spec }) => accessModes(spec?.accessModes)),
    text('Reclaim Policy', ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? ''),
    text('Status', phase),
    text('Claim', ({ spec }) => (spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '')),
    text('StorageClass', storageClass),
    attributesClass,
    text('Reason', ({ status }) => status?.reason ?? ''),
    age,
    volumeMode,
  ),
  '/persistentvolumeclaims': printer<PersistentVolumeClaim>(
    name,
    text('Status', phase),
    text('Volume', ({ spec }) => spec?.volumeName ?? ''),
    text('Capacity', (claim) => (isBound(claim) ? (claim.status?.capacity?.['storage'] ?? '0') : '')),
    text('Access Modes', (claim) => (isBound(claim) ? accessModes(claim.status?.accessModes) : '')),
    text('StorageClass', storageClass),
    attributesClass,
    age,
    volumeMode,
  ),
  'storage.k8s.io/storageclasses': printer<StorageClass>(
    named((o) => markDefault(o, 'storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class')),
    text('Provisioner', ({ provisioner }) => provisioner ?? ''),
    text('ReclaimPolicy', ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete'),
    text('VolumeBindingMode', ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate'),
    text('AllowVolumeExpansion', ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false),
    age,
  ),
  'storage.k8s.io/volumeattributesclasses': printer<VolumeAttributesClass>(
    name,
    text('DriverName', ({ driverName }) => driverName ?? ''),
    age,
  ),
  'storage.k8s.io/volumeattachments': printer<VolumeAttachment>(
    name,
    { ...text('Attacher', ({ spec }) => spec?.attacher ?? ''), format: 'name' },
    text('PV', ({ spec }: Attached) => spec?.source?.persistentVolumeName ?? ''),
    text('Node', ({ spec }) => spec?.nodeName ?? ''),
    boolean('Attached', ({ status }) => status?.attached ?? false),
    age,
  ),
  'storage.k8s.io/csinodes': printer<CSINode>(
    name,
    integer('Drivers', ({ spec }) => spec?.drivers?.length ?? 0),
    age,
  ),
  'storage.k8s.io/csidrivers': printer<CSIDriver>(
    name,
    boolean('AttachRequired', ({ spec }) => spec?.attachRequired ?? true),
    boolean('PodInfoOnMount', ({ spec }) => spec?.podInfoOnMount ?? false),
    boolean('StorageCapacity', ({ spec }) => spec?.storageCapacity ?? false),
    text('TokenRequests', ({ spec }) => spec?.tokenRequests?.map(({ audience }) => audience).join(',') ?? '<unset>'),
    boolean('RequiresRepublish', ({ spec }) => spec?.requiresRepublish ?? false),
    text('Modes', ({ spec }) => (spec?.volumeLifecycleModes ?? []).join(',') || '<none>'),
    age,
  ),
}
