/** Gives a volume to the pod's fsGroup: the group may read and write all of it, and what is made in it belongs to the group. */
import { chmod, chown, lchown, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

const GROUP_READ_WRITE = 0o660
const GROUP_READ = 0o440
const DIRECTORY_BITS = 0o2110

async function adopt(path: string, gid: number, readOnly: boolean): Promise<void> {
  const info = await stat(path)
  await chown(path, info.uid, gid)
  const bits = (readOnly ? GROUP_READ : GROUP_READ_WRITE) | (info.isDirectory() ? DIRECTORY_BITS : 0)
  await chmod(path, (info.mode & 0o7777) | bits)
}

async function adoptTree(directory: string, gid: number, readOnly: boolean): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isSymbolicLink()) await lchown(path, 0, gid)
    else if (entry.isDirectory()) await adoptTree(path, gid, readOnly)
    else await adopt(path, gid, readOnly)
  }
  await adopt(directory, gid, readOnly)
}

export interface FsGroupOptions {
  gid: number
  /** Leave a volume alone whose root already belongs to the group. */
  policy: string | undefined
  readOnly: boolean
}

export async function applyFsGroup(directory: string, { gid, policy, readOnly }: FsGroupOptions): Promise<void> {
  const info = await stat(directory)
  if (policy === 'OnRootMismatch' && info.gid === gid && (info.mode & 0o2060) === 0o2060) return
  await adoptTree(directory, gid, readOnly)
}
