/** Measures what a pod uses of what may run short. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { run } from '../../base/exec.ts'
import { podWorkingSetBytes } from '../resources/podCgroup.ts'
import { podDirectories } from '../pods/podDirectories.ts'
import { allContainers, latest } from '../pods/podRuntimeStatus.ts'
import type { PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { allSpecContainers } from '../pods/podSpec.ts'
import type { Container, ContainerDisk, Runtime } from '../runtime/runtime.ts'
import type { DiskUse } from './localLimits.ts'
import type { ContainerUse, PodUse } from './ranking.ts'

export interface PodUseOptions {
  runtime: Pick<Runtime, 'stats' | 'diskUsage'>
  rootDir: string
  /** `/sys/fs/cgroup` unless told otherwise. */
  cgroupRoot?: string
}

const DU_TIMEOUT_MS = 60_000
const NOTHING: ContainerDisk = { writableBytes: 0, logBytes: 0 }

/** What directories take on their own disk; one that is gone takes nothing. */
async function diskBytes(directory: string, signal: AbortSignal): Promise<number> {
  const said = await run('du', ['-s', '-x', '-B1', directory], { signal, timeoutMs: DU_TIMEOUT_MS }).catch((error: unknown) => {
    signal.throwIfAborted()
    // Files that vanish while it looks make it fail, with the sum beside.
    return error instanceof Error && 'stdout' in error ? { stdout: String(error.stdout) } : { stdout: '' }
  })
  return Number(/^\d+/.exec(said.stdout.trim().split('\n').at(-1) ?? '')?.[0] ?? 0)
}

export async function emptyDirUse(pod: Pod, rootDir: string, signal: AbortSignal): Promise<Map<string, number>> {
  const onDisk = (pod.spec?.volumes ?? []).filter(({ emptyDir }) => emptyDir && !emptyDir.medium)
  const { volumes } = podDirectories(rootDir, pod.metadata.uid)
  const sizes = await Promise.all(
    onDisk.map(async ({ name }) => [name, await diskBytes(join(volumes, 'kubernetes.io~empty-dir', name), signal)] as const),
  )
  return new Map(sizes)
}

/** A container may write to its /etc/hosts, which is a file of the node's disk (CVE-2020-8557). */
async function hostsBytes(pod: Pod, rootDir: string): Promise<number> {
  return stat(podDirectories(rootDir, pod.metadata.uid).etcHosts).then(
    ({ size }) => size,
    () => 0,
  )
}

function newest(pod: Pod, observed: PodRuntimeStatus): Container[] {
  return allSpecContainers(pod).flatMap(({ name }) => latest(observed, name) ?? [])
}

export async function diskUse(options: PodUseOptions, pod: Pod, observed: PodRuntimeStatus, signal: AbortSignal): Promise<DiskUse> {
  const containers = await Promise.all(
    newest(pod, observed).map(async ({ id, name }) => {
      const { writableBytes, logBytes } = await options.runtime.diskUsage(id, signal).catch(() => NOTHING)
      return [name, writableBytes + logBytes] as const
    }),
  )
  return {
    containers: new Map(containers),
    emptyDirs: await emptyDirUse(pod, options.rootDir, signal),
    filesBytes: await hostsBytes(pod, options.rootDir),
  }
}

/** Measuring disks is slow, and done only where the disk is what runs short. */
export async function podUse(
  options: PodUseOptions,
  { pod, observed, disk }: { pod: Pod; observed: PodRuntimeStatus; disk: boolean },
  signal: AbortSignal,
): Promise<PodUse> {
  const onDisk = disk ? await diskUse(options, pod, observed, signal) : undefined
  const containers = await Promise.all(
    newest(pod, observed).map(async ({ id, name, state }): Promise<ContainerUse> => {
      const stats = state === 'Running' ? await options.runtime.stats(id).catch(() => undefined) : undefined
      return {
        name,
        memoryBytes: stats?.memoryWorkingSetBytes ?? 0,
        processes: stats?.processes ?? 0,
        diskBytes: onDisk?.containers.get(name) ?? 0,
      }
    }),
  )
  const volumeBytes = [...(onDisk?.emptyDirs.values() ?? []), onDisk?.filesBytes ?? 0].reduce((sum, bytes) => sum + bytes, 0)
  const memoryBytes = await podWorkingSetBytes(pod, options.cgroupRoot)
  return { pod, containers, volumeBytes, ...(memoryBytes !== undefined && { memoryBytes }) }
}

export const someRuns = (observed: PodRuntimeStatus): boolean => allContainers(observed).some(({ state }) => state === 'Running')
