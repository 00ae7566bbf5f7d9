/**
 * How full a pod's volumes are, as far as they are file systems of their own or take room on the node's: asked of the storage
 * driver where it knows, else of the file system. Volumes that only show something of the node (hostPath) say nothing, as upstream.
 */
import { join } from 'node:path'
import type { Pod, Volume } from '../../api/kinds/core/v1.ts'
import { claimNameOf } from '../../api/pods.ts'
import { emptyDirUse } from '../eviction/podUse.ts'
import { podDirectories } from '../pods/podDirectories.ts'
import type { DriverVolumes } from './driverVolumes.ts'
import { fileSystemSpace, type Space } from './space.ts'
import { fileKindOf, fileVolumeSpace, pluginOf } from './fileVolumes.ts'
import { mountsBelow } from './mounts.ts'

export interface VolumeUse {
  name: string
  /** In the pod's namespace. */
  claimName?: string
  /** It is a part of the node's own file system. */
  onNodeDisk: boolean
  space: Space
}

export interface VolumeStatsOptions {
  rootDir: string
  csi?: Pick<DriverVolumes, 'space'>
}

const STATS_TIMEOUT_MS = 10_000

export async function volumeStats(pod: Pod, options: VolumeStatsOptions, signal: AbortSignal): Promise<VolumeUse[]> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(STATS_TIMEOUT_MS)])
  const { volumes: folder } = podDirectories(options.rootDir, pod.metadata.uid)
  const volumes = pod.spec?.volumes ?? []
  if (volumes.length === 0) return []
  const [mounted, onDisk, node] = await Promise.all([
    mountsBelow(folder),
    emptyDirUse(pod, options.rootDir, until),
    fileSystemSpace(options.rootDir),
  ])
  const spaceOf = async (volume: Volume): Promise<Space | undefined> => {
    const { name } = volume
    const usedBytes = onDisk.get(name)
    if (usedBytes !== undefined) return { ...node, usedBytes }
    if (volume.csi || claimNameOf(pod, volume) !== undefined) {
      const asked = await options.csi?.space(pod.metadata.uid, name, until)
      if (asked) return asked
    }
    const kind = fileKindOf(volume)
    if (kind) return fileVolumeSpace(join(folder, `kubernetes.io~${pluginOf(kind)}`, name))
    const own = ['empty-dir', 'nfs', 'local-volume']
      .map((plugin) => join(folder, `kubernetes.io~${plugin}`, name))
      .find((path) => mounted.includes(path))
    return own === undefined ? undefined : fileSystemSpace(own)
  }
  const found = await Promise.all(
    volumes.map(async (volume): Promise<VolumeUse[]> => {
      const space = await spaceOf(volume).catch(() => undefined)
      const claimName = claimNameOf(pod, volume)
      return space ? [{ name: volume.name, ...(claimName !== undefined && { claimName }), onNodeDisk: onDisk.has(volume.name), space }] : []
    }),
  )
  return found.flat()
}
