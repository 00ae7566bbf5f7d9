/**
 * Local persistent volumes: a directory of the node is bound into the pod's own folder, a device is mounted there, with a
 * file system made on it first where it has none (upstream's pkg/volume/local).
 */
import { mkdir, rmdir, stat } from 'node:fs/promises'
import { ExecError, run } from '../../base/exec.ts'
import { inStep } from './volumeErrors.ts'

export interface LocalMount {
  path: string
  fsType: string
  readOnly: boolean
  mountOptions: readonly string[]
}

const MOUNT_TIMEOUT_MS = 60_000
/** A large disk takes its time. */
const FORMAT_TIMEOUT_MS = 10 * 60_000
const DEFAULT_FILE_SYSTEM = 'ext4'
/** Of blkid: nothing that it knows is on the device. */
const NOTHING_FOUND = 2

export type LocalKind = 'directory' | 'device'

export async function localKind(path: string): Promise<LocalKind> {
  const info = await stat(path).catch(() => undefined)
  if (!info) throw new Error(`path "${path}" does not exist`)
  if (info.isDirectory()) return 'directory'
  if (info.isBlockDevice()) return 'device'
  throw new Error('only directory and block device are supported')
}

/** The programs to run, in their order. Pure. */
export function localMounts(kind: LocalKind, { path, fsType, readOnly, mountOptions }: LocalMount, directory: string): string[][] {
  const options = [...(readOnly ? ['ro'] : []), ...mountOptions]
  if (kind === 'device') {
    const given = options.length > 0 ? ['-o', options.join(',')] : []
    return [['mount', '-t', fsType || DEFAULT_FILE_SYSTEM, ...given, path, directory]]
  }
  // The kernel takes options of a bind mount only once it is there.
  const again = options.length > 0 ? [['mount', '-o', ['remount', 'bind', ...options].join(','), directory]] : []
  return [['mount', '--bind', path, directory], ...again]
}

async function isEmpty(device: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { stdout } = await run('blkid', ['-p', '-s', 'TYPE', '-s', 'PTTYPE', '-o', 'value', device], {
      signal,
      timeoutMs: MOUNT_TIMEOUT_MS,
    })
    return stdout.trim() === ''
  } catch (error) {
    if (error instanceof ExecError && error.exitCode === NOTHING_FOUND) return true
    throw error
  }
}

async function format({ path, fsType, readOnly }: LocalMount, signal: AbortSignal): Promise<void> {
  if (!(await isEmpty(path, signal))) return
  if (readOnly) throw new Error(`cannot mount unformatted disk ${path} as we are manipulating it in read-only mode`)
  const type = fsType || DEFAULT_FILE_SYSTEM
  const flags = type.startsWith('ext') ? ['-F', '-m0'] : []
  await run(`mkfs.${type}`, [...flags, path], { signal, timeoutMs: FORMAT_TIMEOUT_MS })
}

export async function mountLocal(local: LocalMount, directory: string, signal: AbortSignal): Promise<void> {
  const kind = await inStep('MountVolume.NewMounter initialization failed', () => localKind(local.path))
  if (kind === 'device') await format(local, signal)
  await mkdir(directory, { recursive: true, mode: 0o750 })
  try {
    for (const [program = '', ...args] of localMounts(kind, local, directory))
      await run(program, args, { signal, timeoutMs: MOUNT_TIMEOUT_MS })
  } catch (error) {
    await run('umount', [directory], { timeoutMs: MOUNT_TIMEOUT_MS }).catch(() => {})
    await rmdir(directory).catch(() => {})
    throw error
  }
}
