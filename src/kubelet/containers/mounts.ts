/** A container's mounts, from its volumeMounts and the pod's prepared volumes. */
import { chmod, mkdir, open, stat } from 'node:fs/promises'
import { posix } from 'node:path'
import type { Container, VolumeMount } from '../../api/kinds/core/v1.ts'
import type { PodDirectories } from '../podDirectories.ts'
import type { Mount } from '../runtime/runtime.ts'
import { resolveSubPath } from '../volumes/subPath.ts'
import type { PreparedVolumes } from '../volumes/volumes.ts'
import { ContainerConfigError } from './environment.ts'
import { expand } from './expansion.ts'

export const DEFAULT_TERMINATION_MESSAGE_PATH = '/dev/termination-log'

const PROPAGATION: Readonly<Record<string, Mount['propagation']>> = {
  HostToContainer: 'HostToContainer',
  Bidirectional: 'Bidirectional',
}

function absolute(path: string): string {
  return path.startsWith('/') ? path : posix.join('/', path)
}

function subPathOf(mount: VolumeMount, env: ReadonlyMap<string, string>): string {
  if (!mount.subPathExpr) return mount.subPath ?? ''
  const missing: string[] = []
  const path = expand(mount.subPathExpr, (name) => {
    const value = env.get(name)
    if (!value) missing.push(name)
    return value
  })
  if (missing.length > 0)
    throw new ContainerConfigError(`failed to expand subPath for volumeMount "${mount.name}": missing value for "${missing.join('", "')}"`)
  if (path.startsWith('/')) throw new ContainerConfigError(`error SubPath \`${path}\` must not be an absolute path`)
  if (path.split('/').includes('..')) throw new ContainerConfigError(`unable to provision SubPath \`${path}\`: must not contain '..'`)
  return path
}

async function volumeMount(mount: VolumeMount, volumes: PreparedVolumes, env: ReadonlyMap<string, string>): Promise<Mount> {
  const volume = volumes.byName.get(mount.name)
  if (!volume) throw new ContainerConfigError(`cannot find volume "${mount.name}" to mount into container`)
  const subPath = subPathOf(mount, env)
  let hostPath = volume.hostPath
  if (subPath) {
    hostPath = await resolveSubPath(volume.hostPath, subPath).catch((error: Error) => {
      throw new ContainerConfigError(`failed to prepare subPath for volumeMount "${mount.name}": ${error.message}`, { cause: error })
    })
    const mode = (await stat(volume.hostPath)).mode & 0o7777
    const made = await stat(hostPath)
    // A directory made for the mount is as open as its volume.
    if (made.isDirectory() && !volume.readOnly && made.uid === 0 && (made.mode & 0o777) === 0o750) await chmod(hostPath, mode)
  }
  return {
    hostPath,
    containerPath: absolute(mount.mountPath),
    readOnly: mount.readOnly === true || volume.readOnly,
    propagation: PROPAGATION[mount.mountPropagation ?? ''] ?? 'None',
  }
}

async function terminationLogMount(container: Container, attempt: number, directories: PodDirectories): Promise<Mount> {
  const hostPath = directories.terminationLog(container.name, attempt)
  await mkdir(directories.containerDirectory(container.name), { recursive: true, mode: 0o750 })
  await (await open(hostPath, 'a')).close()
  await chmod(hostPath, 0o666)
  const containerPath = absolute(container.terminationMessagePath || DEFAULT_TERMINATION_MESSAGE_PATH)
  return { hostPath, containerPath, readOnly: false, propagation: 'None' }
}

export interface MountsInput {
  container: Container
  attempt: number
  volumes: PreparedVolumes
  env: ReadonlyMap<string, string>
  directories: PodDirectories
}

export async function containerMounts({ container, attempt, volumes, env, directories }: MountsInput): Promise<Mount[]> {
  const mounts = await Promise.all((container.volumeMounts ?? []).map((mount) => volumeMount(mount, volumes, env)))
  const log = await terminationLogMount(container, attempt, directories)
  return mounts.some((mount) => mount.containerPath === log.containerPath) ? mounts : [...mounts, log]
}
