/** What volumes ask of those that storage drivers bring, whatever the interface to these drivers is. */
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/kinds/core/v1.ts'
import type { Space } from './space.ts'

/** A volume that is there for a pod. */
export interface PublishedVolume {
  hostPath: string
  /** The files are to be given to the pod's group: the driver wants it so, and has not done it itself. */
  toGroup: boolean
  /** When to look at it again. */
  againAtMs?: number
}

export interface PublishOptions {
  readOnly: boolean
  /** The pod wants the device instead of its file system. */
  block: boolean
  /** The claim by which the pod has the volume. */
  claim: PersistentVolumeClaim | undefined
}

export interface DriverVolumes {
  /** `name` is the volume's in the pod's spec. Throws a NotAttachedError while the volume is not attached to the node. */
  publishPersistent(
    pod: Pod,
    name: string,
    volume: PersistentVolume,
    options: PublishOptions,
    signal: AbortSignal,
  ): Promise<PublishedVolume>
  publishInline(pod: Pod, volume: Volume, signal: AbortSignal): Promise<PublishedVolume>
  /** What the driver says of a pod's volume; undefined where it does not count, or has brought none by that name. */
  space(podUid: string, name: string, signal: AbortSignal): Promise<Space | undefined>
  /** Takes away what drivers brought to a pod. Must be done before its folder is removed. */
  tearDown(podUid: string): Promise<void>
}
