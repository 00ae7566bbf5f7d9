/**
 * Writes a set of files so that readers see all of the old ones or all of the new ones: the files are in a directory of
 * their own, `..data` points to it, and the visible names are links through `..data` (upstream's AtomicWriter layout).
 */
import { randomBytes } from 'node:crypto'
import { chmod, chown, lchown, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Payload } from './payload.ts'

const DATA_LINK = '..data'
const NEW_DATA_LINK = '..data_tmp'
const MAX_PATH_LENGTH = 4096

/** A path in a volume may not lead out of it, nor take the names that the writer itself uses. */
export function assertSafePath(path: string): void {
  const parts = path.split('/')
  if (path === '' || path.startsWith('/')) throw new Error(`invalid path: must be relative path: ${path}`)
  if (path.length > MAX_PATH_LENGTH) throw new Error(`invalid path: must be less than or equal to ${MAX_PATH_LENGTH} characters`)
  if (parts.includes('..')) throw new Error(`invalid path: must not contain '..': ${path}`)
  if (parts[0]?.startsWith('..')) throw new Error(`invalid path: must not start with '..': ${path}`)
  if (path.includes('\0')) throw new Error('invalid path: must not contain a null character')
}

export interface Ownership {
  /** Group of all that is written, which may then read it. */
  gid?: number
  /** Of the directory itself. */
  mode?: number
}

async function filesUnder(directory: string, prefix = ''): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const entry of await readdir(join(directory, prefix), { withFileTypes: true })) {
    const path = join(prefix, entry.name)
    if (entry.isDirectory()) for (const [name, full] of await filesUnder(directory, path)) found.set(name, full)
    else found.set(path, join(directory, path))
  }
  return found
}

/** As fsGroup does with a volume that is only read. */
const GROUP_FILE_BITS = 0o440
const GROUP_DIRECTORY_BITS = 0o2550
const DIRECTORY_MODE = 0o755

function effectiveMode(mode: number, gid: number | undefined): number {
  return gid === undefined ? mode : mode | GROUP_FILE_BITS
}

async function makeDirectory(directory: string, { gid, mode = DIRECTORY_MODE }: Ownership): Promise<void> {
  await mkdir(directory, { recursive: true })
  if (gid !== undefined) await chown(directory, 0, gid)
  await chmod(directory, gid === undefined ? mode : mode | GROUP_DIRECTORY_BITS)
}

async function isCurrent(current: string, payload: Payload, gid: number | undefined): Promise<boolean> {
  const files = await filesUnder(current).catch(() => undefined)
  if (!files || files.size !== payload.size) return false
  for (const [path, { data, mode }] of payload) {
    const full = files.get(path)
    if (!full) return false
    const [bytes, info] = await Promise.all([readFile(full), stat(full)])
    if (!bytes.equals(data) || (info.mode & 0o777) !== (effectiveMode(mode, gid) & 0o777)) return false
  }
  return true
}

/** The directories of a path, the outermost first. */
function parentsOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, i) => parts.slice(0, i + 1).join('/'))
}

async function writeFiles(directory: string, payload: Payload, gid: number | undefined): Promise<void> {
  const parents = new Set([...payload.keys()].flatMap(parentsOf))
  for (const parent of parents) await makeDirectory(join(directory, parent), { ...(gid !== undefined && { gid }) })
  for (const [path, { data, mode, uid }] of payload) {
    const full = join(directory, path)
    await writeFile(full, data)
    await chmod(full, effectiveMode(mode, gid))
    if (uid !== undefined || gid !== undefined) await chown(full, uid ?? 0, gid ?? 0)
  }
}

function topNames(payload: Payload): Set<string> {
  return new Set([...payload.keys()].map((path) => path.split('/')[0] as string))
}

/** Links for what is new, none for what is gone. */
async function updateLinks(target: string, payload: Payload): Promise<void> {
  const wanted = topNames(payload)
  const entries = await readdir(target, { withFileTypes: true })
  const present = new Set<string>()
  for (const entry of entries) {
    if (entry.name.startsWith('..') || !entry.isSymbolicLink()) continue
    if (wanted.has(entry.name)) present.add(entry.name)
    else await rm(join(target, entry.name))
  }
  for (const name of wanted) if (!present.has(name)) await symlink(join(DATA_LINK, name), join(target, name))
}

/**
 * The name of the files' directory. A link that leads anywhere else is not the writer's, and what it points to is not to be
 * read, and never to be removed (CVE-2017-1002102).
 */
async function currentDirectory(target: string): Promise<string | undefined> {
  const name = await readlink(join(target, DATA_LINK)).catch(() => undefined)
  return name?.startsWith('..') && name !== '..' && !name.includes('/') ? name : undefined
}

/** Answers whether anything changed. */
export async function writeAtomically(target: string, payload: Payload, ownership: Ownership = {}): Promise<boolean> {
  for (const path of payload.keys()) assertSafePath(path)
  const { gid } = ownership
  const before = await currentDirectory(target)
  if (before !== undefined && (await isCurrent(join(target, before), payload, gid))) {
    await updateLinks(target, payload)
    return false
  }
  const stamp = new Date().toISOString().replace(/[-:]/g, '_').replace(/[TZ]/g, '_')
  const name = `..${stamp}${randomBytes(4).toString('hex')}`
  const directory = join(target, name)
  await makeDirectory(target, ownership)
  await makeDirectory(directory, { ...(gid !== undefined && { gid }) })
  await writeFiles(directory, payload, gid)
  await rm(join(target, NEW_DATA_LINK), { force: true })
  await symlink(name, join(target, NEW_DATA_LINK))
  if (gid !== undefined) await lchown(join(target, NEW_DATA_LINK), 0, gid)
  await rename(join(target, NEW_DATA_LINK), join(target, DATA_LINK))
  await updateLinks(target, payload)
  if (before !== undefined) await rm(join(target, before), { recursive: true, force: true })
  return true
}
