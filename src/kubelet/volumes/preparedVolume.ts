/** A volume that is there for a pod. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { PublishedVolume } from './driverVolumes.ts'
import { adoptForPod } from './ownership.ts'

/** A volume that a container can mount. */
export interface PreparedVolume {
  hostPath: string
  /** The volume as a whole may not be written. */
  readOnly: boolean
  /** A block device of the node instead of a directory. */
  device?: boolean
}

export interface PreparedVolumes {
  byName: ReadonlyMap<string, PreparedVolume>
  /** When a token in them wants to be renewed. */
  renewAtMs: number | undefined
}

/** What a storage driver has brought. */
export async function published(
  pod: Pod,
  { hostPath, toGroup, againAtMs }: PublishedVolume,
  readOnly: boolean,
  onAgain: (atMs: number) => void,
): Promise<PreparedVolume> {
  if (againAtMs !== undefined) onAgain(againAtMs)
  if (toGroup && !readOnly) await adoptForPod(pod, hostPath)
  return { hostPath, readOnly }
}
