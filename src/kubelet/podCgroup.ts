/** Removes a pod's cgroup: the engine makes the parent of its containers' groups, but leaves it behind when they are gone. */
import { readdir, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CGROUP_OF_CLASS } from './containers/qos.ts'

const CGROUP_ROOT = '/sys/fs/cgroup'

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
