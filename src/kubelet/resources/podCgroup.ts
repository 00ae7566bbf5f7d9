/**
 * The cgroups of pods. All of them are below one group, whose limit keeps for the node's own processes what they need: where
 * pods eat all memory it is pods that the kernel kills. The engine makes each pod's group, but leaves it behind.
 */
import { mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { PodCgroupSettings } from './podResources.ts'
import { CGROUP_OF_CLASS, podCgroup } from './qos.ts'

const CGROUP_ROOT = '/sys/fs/cgroup'
/** cgroup v1 says "no limit" with a number near 2^63. */
const NO_LIMIT_BYTES = 2 ** 60
export const ALL_PODS = CGROUP_OF_CLASS.Guaranteed

const read = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined)

/** Where groups are limited in memory: the one hierarchy of cgroup v2, or one of those of v1. */
export async function memoryHierarchy(root = CGROUP_ROOT): Promise<string> {
  const files = ['cgroup.controllers', 'memory.max', 'memory.current'].map((name) => stat(join(root, name)).catch(() => undefined))
  return (await Promise.all(files)).some((found) => found !== undefined) ? root : join(root, 'memory')
}

/** Undefined when the group has none. */
export async function groupLimitBytes(group: string): Promise<number | undefined> {
  const text = (await read(join(group, 'memory.max'))) ?? (await read(join(group, 'memory.limit_in_bytes')))
  const limit = Number(text?.trim())
  return text !== undefined && Number.isFinite(limit) && limit > 0 && limit < NO_LIMIT_BYTES ? limit : undefined
}

/** Without the file pages that can be dropped; undefined when there is no such group. */
export async function workingSetBytes(group: string): Promise<number | undefined> {
  const v2 = await read(join(group, 'memory.current'))
  const [used, details] = await Promise.all([v2 ?? read(join(group, 'memory.usage_in_bytes')), read(join(group, 'memory.stat'))])
  if (used === undefined) return undefined
  const droppable = (v2 === undefined ? /^total_inactive_file (\d+)/m : /^inactive_file (\d+)/m).exec(details ?? '')?.[1]
  return Math.max(0, Number(used) - Number(droppable ?? 0))
}

/** Of all that the pod's containers use, its volumes in memory included, those of dead containers too. */
export async function podWorkingSetBytes(pod: Pod, root = CGROUP_ROOT): Promise<number | undefined> {
  return workingSetBytes(join(await memoryHierarchy(root), podCgroup(pod)))
}

export async function limitPodsMemory(limitBytes: number, root = CGROUP_ROOT): Promise<void> {
  const hierarchy = await memoryHierarchy(root)
  const group = join(hierarchy, ALL_PODS)
  await mkdir(group, { recursive: true })
  const file = (await read(join(hierarchy, 'cgroup.controllers'))) === undefined ? 'memory.limit_in_bytes' : 'memory.max'
  await writeFile(join(group, file), String(Math.floor(limitBytes)))
}

/** The one hierarchy of cgroup v2, or those of v1, one for each controller. */
async function hierarchies(root: string): Promise<string[]> {
  if (await stat(join(root, 'cgroup.controllers')).catch(() => undefined)) return [root]
  const names = await readdir(root).catch(() => [])
  return names.map((name) => join(root, name))
}

/** Files by hierarchy of cgroup v1; what has no limit is said so, since it may have had one. */
function settingsV1({ cpuShares, cpuQuotaUs, cpuPeriodUs, memoryLimitBytes, hugePages }: PodCgroupSettings): [string, string, number][] {
  return [
    ['cpu', 'cpu.shares', cpuShares],
    ...(cpuPeriodUs === undefined ? [] : [['cpu', 'cpu.cfs_period_us', cpuPeriodUs] satisfies [string, string, number]]),
    ['cpu', 'cpu.cfs_quota_us', cpuQuotaUs ?? -1],
    ['memory', 'memory.limit_in_bytes', memoryLimitBytes ?? -1],
    ...hugePages.map(({ pageSize, bytes }): [string, string, number] => [
      'hugetlb',
      `hugetlb.${kernelSize(pageSize)}.limit_in_bytes`,
      bytes,
    ]),
  ]
}

/** `2Mi` is `2MB` in the names of files. */
const kernelSize = (pageSize: string): string => pageSize.replace(/i$/, 'B')

/** Shares have 2 to 262144, weights 1 to 10000. */
const weightOf = (shares: number): number => 1 + Math.floor(((shares - 2) * 9999) / 262_142)

function settingsV2({ cpuShares, cpuQuotaUs, cpuPeriodUs, memoryLimitBytes, hugePages }: PodCgroupSettings): [string, string][] {
  return [
    ['cpu.weight', `${weightOf(cpuShares)}`],
    ['cpu.max', cpuQuotaUs === undefined ? 'max' : `${cpuQuotaUs} ${cpuPeriodUs ?? 100_000}`],
    ['memory.max', `${memoryLimitBytes ?? 'max'}`],
    ...hugePages.map(({ pageSize, bytes }): [string, string] => [`hugetlb.${kernelSize(pageSize)}.max`, `${bytes}`]),
  ]
}

/** In cgroup v2 a group has the files of those controllers that its parent passes on. */
async function passOn(root: string, path: string): Promise<void> {
  const controllers = ['+cpu', '+memory', '+pids', '+hugetlb']
  let group = root
  for (const part of path.split('/').filter(Boolean)) {
    for (const controller of controllers) await writeFile(join(group, 'cgroup.subtree_control'), controller).catch(() => {})
    group = join(group, part)
    await mkdir(group, { recursive: true })
  }
}

/** Makes the pod's group where there is none. A controller that the kernel lacks limits nothing. */
export async function limitPod(pod: Pod, settings: PodCgroupSettings, root = CGROUP_ROOT): Promise<void> {
  const path = podCgroup(pod)
  if (await stat(join(root, 'cgroup.controllers')).catch(() => undefined)) {
    await passOn(root, path)
    for (const [file, value] of settingsV2(settings)) await writeWhereThere(join(root, path, file), value)
    return
  }
  for (const [controller, file, value] of settingsV1(settings)) {
    if (!(await stat(join(root, controller)).catch(() => undefined))) continue
    await mkdir(join(root, controller, path), { recursive: true })
    await writeWhereThere(join(root, controller, path, file), `${value}`)
  }
}

async function writeWhereThere(file: string, value: string): Promise<void> {
  try {
    await writeFile(file, value, { flag: 'r+' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Groups that are still in use stay; they go when the node's container does. */
export async function removePodCgroup(podUid: string, root = CGROUP_ROOT): Promise<void> {
  const roots = await hierarchies(root)
  const paths = roots.flatMap((hierarchy) => Object.values(CGROUP_OF_CLASS).map((parent) => join(hierarchy, parent, `pod${podUid}`)))
  await Promise.all(paths.map((path) => rmdir(path).catch(() => {})))
}
