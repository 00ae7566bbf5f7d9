/**
 * A subPath of a volume, held open so that nobody can exchange it for something else before it is mounted (CVE-2021-25741):
 * links are resolved first and must stay within the volume; the way there is then walked from the volume's root through
 * descriptors that follow no link, and what was found is bound by its descriptor, never again by its name.
 */
import { constants, type Stats } from 'node:fs'
import { lstat, mkdir, open, realpath, rmdir, stat, unlink, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { run } from '../../base/exec.ts'

/** Node's constants lack it; the number is the same on every architecture that Node runs on. */
const O_PATH = 0o10000000
const FOLLOW_NOTHING = O_PATH | constants.O_NOFOLLOW
const MOUNT_TIMEOUT_MS = 10_000

function isWithin(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep)
}

/** Where the links of a path lead, as far as it is there. */
async function resolved(root: string, parts: readonly string[]): Promise<string> {
  let here = root
  for (const [index, part] of parts.entries()) {
    const real = await realpath(join(here, part)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (real === undefined) return join(here, ...parts.slice(index))
    here = real
  }
  return here
}

const within = (directory: FileHandle, name: string): string => `/proc/self/fd/${directory.fd}/${name}`

async function openEntry(directory: FileHandle, name: string, mode: number): Promise<FileHandle> {
  const path = within(directory, name)
  try {
    return await open(path, FOLLOW_NOTHING)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    await mkdir(path, { mode: 0o750 })
    const made = await open(path, FOLLOW_NOTHING)
    // A directory made for the mount is as open as its volume, whatever the process' mask.
    const directoryMade = await open(`/proc/self/fd/${made.fd}`, constants.O_DIRECTORY)
    await directoryMade.chmod(mode).finally(() => directoryMade.close())
    return made
  }
}

/** Opens what a subPath names; what is missing is made, one real directory below the other. The caller closes it. */
export async function openSubPath(volumeRoot: string, subPath: string): Promise<FileHandle> {
  if (subPath.startsWith('/')) throw new Error(`subPath must not be an absolute path: ${subPath}`)
  const parts = subPath.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw new Error(`subPath must not contain '..': ${subPath}`)
  const root = await realpath(volumeRoot)
  const target = await resolved(root, parts)
  if (!isWithin(root, target)) throw new Error(`subPath "${subPath}" leads out of its volume`)
  const mode = (await stat(root)).mode & 0o7777
  let here = await open(root, FOLLOW_NOTHING)
  for (const part of relative(root, target).split(sep).filter(Boolean)) {
    try {
      const next = await openEntry(here, part, mode)
      await here.close()
      here = next
      if ((await here.stat()).isSymbolicLink()) throw new Error(`subPath "${subPath}" was changed while it was looked at`)
    } catch (error) {
      await here.close().catch(() => {})
      throw error
    }
  }
  return here
}

/** Binds what is open at a path of the kubelet's own, which then stands for it. */
export type PinSubPath = (opened: FileHandle, at: string) => Promise<void>

export const pinSubPath: PinSubPath = async (opened, at) => {
  await unpin(at)
  await mkdir(dirname(at), { recursive: true, mode: 0o750 })
  const found: Stats = await opened.stat()
  await (found.isDirectory() ? mkdir(at, { recursive: true, mode: 0o750 }) : writeFile(at, ''))
  // Not to be canonicalized: the descriptor is what is meant, not the name that it had.
  await run('mount', ['--no-canonicalize', '--bind', `/proc/${process.pid}/fd/${opened.fd}`, at], { timeoutMs: MOUNT_TIMEOUT_MS })
}

/** An earlier container's may be there still. */
async function unpin(at: string): Promise<void> {
  if (!(await lstat(at).catch(() => undefined))) return
  await run('umount', ['--lazy', '--quiet', at], { timeoutMs: MOUNT_TIMEOUT_MS }).catch(() => {})
  // Never what is in it: were it mounted still, that would be the volume's.
  await ((await lstat(at)).isDirectory() ? rmdir(at) : unlink(at))
}
