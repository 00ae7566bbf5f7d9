/**
 * The cgroups of pods. All of them are below one group, whose limit keeps for the node's own processes what they need: where
 * pods eat all memory it is pods that the kernel kills. The engine makes each pod's group, but leaves it behind.
 */
import { mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pod } from '../api/kinds/core/v1.ts'
import { CGROUP_OF_CLASS, podCgroup } from './containers/qos.ts'

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

/** Groups that are still in use stay; they go when the node's container does. */
export async function removePodCgroup(podUid: string, root = CGROUP_ROOT): Promise<void> {
  const roots = await hierarchies(root)
  const paths = roots.flatMap((hierarchy) => Object.values(CGROUP_OF_CLASS).map((parent) => join(hierarchy, parent, `pod${podUid}`)))
  await Promise.all(paths.map((path) => rmdir(path).catch(() => {})))
}
