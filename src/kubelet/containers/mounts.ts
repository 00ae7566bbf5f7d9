/** A container's mounts, from its volumeMounts and the pod's prepared volumes. */
import { chmod, mkdir, open } from 'node:fs/promises'
import { posix } from 'node:path'
import type { Container, VolumeMount } from '../../api/kinds/core/v1.ts'
import type { PodDirectories } from '../pods/podDirectories.ts'
import type { ContainerConfig, Mount } from '../runtime/runtime.ts'
import { openSubPath, pinSubPath, type PinSubPath } from '../volumes/subPath.ts'
import type { PreparedVolumes } from '../volumes/preparedVolume.ts'
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

async function volumeMount(input: MountsInput, mount: VolumeMount, index: number): Promise<Mount> {
  const { volumes, env, container, directories, pin = pinSubPath } = input
  const volume = volumes.byName.get(mount.name)
  if (!volume) throw new ContainerConfigError(`cannot find volume "${mount.name}" to mount into container`)
  const subPath = subPathOf(mount, env)
  let { hostPath } = volume
  if (subPath) {
    hostPath = directories.subPath(mount.name, container.name, index)
    try {
      const opened = await openSubPath(volume.hostPath, subPath)
      await pin(opened, hostPath).finally(() => opened.close())
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      throw new ContainerConfigError(`failed to prepare subPath for volumeMount "${mount.name}": ${text}`, { cause: error })
    }
  }
  const readOnly = mount.readOnly === true || volume.readOnly
  const recursive = mount.recursiveReadOnly
  return {
    hostPath,
    containerPath: absolute(mount.mountPath),
    readOnly,
    ...(readOnly && (recursive === 'Enabled' || recursive === 'IfPossible') && { recursiveReadOnly: recursive }),
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

/** Volumes that the container gets as block devices. */
export function containerDevices({ volumeDevices = [] }: Container, volumes: PreparedVolumes): ContainerConfig['devices'] {
  return volumeDevices.map(({ name, devicePath }) => {
    const volume = volumes.byName.get(name)
    if (!volume?.device) throw new ContainerConfigError(`cannot find raw block volume "${name}" to map into container`)
    return { hostPath: volume.hostPath, containerPath: devicePath, permissions: volume.readOnly ? 'rm' : 'rwm' }
  })
}

export interface MountsInput {
  container: Container
  attempt: number
  volumes: PreparedVolumes
  env: ReadonlyMap<string, string>
  directories: PodDirectories
  /** Tests bring their own. */
  pin?: PinSubPath
}

export async function containerMounts(input: MountsInput): Promise<Mount[]> {
  const { container, attempt, directories } = input
  const mounts = await Promise.all((container.volumeMounts ?? []).map((mount, index) => volumeMount(input, mount, index)))
  const log = await terminationLogMount(container, attempt, directories)
  return mounts.some((mount) => mount.containerPath === log.containerPath) ? mounts : [...mounts, log]
}
