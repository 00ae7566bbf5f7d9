/** How a volume is named and described to its driver. */
import type { CSIPersistentVolumeSource, PersistentVolume, Pod, Volume } from '../../api/kinds/core/v1.ts'
import type { VolumeCall } from './driver.ts'
import { sha256, stagingPathOf } from './volumeData.ts'

/** What the API and others know besides of the volume and of the pod. */
export type ToldToDriver = Pick<VolumeCall, 'publishContext' | 'volumeContext' | 'secrets'>

export function persistentCall(
  rootDir: string,
  { spec }: PersistentVolume,
  { driver, volumeHandle, fsType = '' }: CSIPersistentVolumeSource,
  block: boolean,
  told: ToldToDriver,
): VolumeCall {
  return {
    ...told,
    volumeId: volumeHandle,
    accessMode: spec.accessModes?.[0] ?? 'ReadWriteOnce',
    fsType,
    mountOptions: spec.mountOptions ?? [],
    stagingPath: stagingPathOf(rootDir, driver, volumeHandle, block),
    block,
  }
}

/** Of a volume that lives and ends with its pod; it is never staged. */
export function inlineCall(
  { metadata: { namespace, uid } }: Pod,
  { name, csi }: Volume,
  told: Omit<ToldToDriver, 'publishContext'>,
): VolumeCall {
  return {
    ...told,
    volumeId: `csi-${sha256(`${namespace}${name}${uid}`)}`,
    publishContext: new Map(),
    accessMode: 'ReadWriteOnce',
    fsType: csi?.fsType ?? '',
    mountOptions: [],
    stagingPath: '',
    block: false,
  }
}
