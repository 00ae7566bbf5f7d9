/**
 * Gives a volume to the pod's fsGroup: the group may read and write all of it, and what is made in it belongs to the group.
 * Another pod may write to the volume meanwhile: everything is opened without following a link, from its directory's
 * descriptor, and changed by its own, so that nothing outside the volume can be meant.
 */
import { constants } from 'node:fs'
import { chmod, chown, lchown, open, readdir, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Pod } from '../../api/kinds/core/v1.ts'

const GROUP_READ_WRITE = 0o660
const GROUP_READ = 0o440
const DIRECTORY_BITS = 0o2110
/** Node's constants lack it; the number is the same on every architecture that Node runs on. */
const O_PATH = 0o10000000
const FOLLOW_NOTHING = O_PATH | constants.O_NOFOLLOW
/** Each level holds a descriptor open. */
const MAX_DEPTH = 1000

const path = ({ fd }: FileHandle, name = ''): string => `/proc/self/fd/${fd}${name && `/${name}`}`

interface Owner {
  gid: number
  readOnly: boolean
}

async function adoptTree(file: FileHandle, owner: Owner, depth: number): Promise<void> {
  if (depth > MAX_DEPTH) throw new Error(`the volume has directories more than ${MAX_DEPTH} levels deep`)
  const { gid, readOnly } = owner
  const info = await file.stat()
  if (info.isDirectory()) for (const name of await readdir(path(file))) await adoptEntry(file, name, owner, depth + 1)
  await chown(path(file), info.uid, gid)
  const bits = (readOnly ? GROUP_READ : GROUP_READ_WRITE) | (info.isDirectory() ? DIRECTORY_BITS : 0)
  await chmod(path(file), (info.mode & 0o7777) | bits)
}

/** Whoever uses the volume may remove what was there a moment ago. */
function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

async function adoptEntry(directory: FileHandle, name: string, owner: Owner, depth: number): Promise<void> {
  const file = await open(path(directory, name), FOLLOW_NOTHING).catch(unlessGone)
  try {
    const info = await file?.stat()
    if (info?.isSymbolicLink()) await lchown(path(directory, name), info.uid, owner.gid).catch(unlessGone)
    else if (file) await adoptTree(file, owner, depth)
  } finally {
    await file?.close()
  }
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
  const root = await open(directory, O_PATH)
  await adoptTree(root, { gid, readOnly }, 0).finally(() => root.close())
}

/** Gives a volume that is written to the pod's group, if it has one. */
export async function adoptForPod({ spec }: Pod, directory: string): Promise<void> {
  const { fsGroup: gid, fsGroupChangePolicy: policy } = spec?.securityContext ?? {}
  if (gid !== undefined) await applyFsGroup(directory, { gid, policy, readOnly: false })
}
