/**
 * A sandbox's namespaces, held by files instead of by a process: network and IPC namespaces pinned by bind mounts, and the
 * memory that the pod's containers share. Making them takes milliseconds where a container that holds them takes a tenth of
 * a second and its shim's memory; nothing can kill them, and with the node's container they are gone.
 */
import { mkdir, readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { quoted, Shell } from '../../../base/shell.ts'

/** The kernel's NSFS_MAGIC: a file that is a namespace. */
const NAMESPACE_FILE_TYPE = 0x6e736673
/** As the engine gives it to a container of its own. */
const SHARED_MEMORY = 'nosuid,nodev,noexec,mode=1777,size=64m'
/** All that waits before it included. */
const UNPIN_TIMEOUT_MS = 30_000

/** How namespaces are pinned; tests bring their own. */
export interface NamespacePinning {
  /** The directory must not be there yet. */
  pin(directory: string, signal: AbortSignal): Promise<void>
  /** Fine when they are gone. Processes that are still in them keep them for as long as they live. */
  unpin(directory: string): Promise<void>
  arePinned(directory: string): Promise<boolean>
  /** Names of the directories that hold namespaces, or did. */
  pinnedIn(root: string): Promise<string[]>
}

export const networkNamespaceIn = (directory: string): string => join(directory, 'net')
export const ipcNamespaceIn = (directory: string): string => join(directory, 'ipc')
export const sharedMemoryIn = (directory: string): string => join(directory, 'shm')

export const networkNamespaceOfProcess = (pid: number): string => `/proc/${pid}/ns/net`

async function pinNamespaces(shell: Shell, directory: string, signal: AbortSignal): Promise<void> {
  const [net, ipc, shm] = [networkNamespaceIn(directory), ipcNamespaceIn(directory), sharedMemoryIn(directory)]
  await mkdir(shm, { recursive: true, mode: 0o700 })
  await Promise.all([writeFile(net, ''), writeFile(ipc, '')])
  // Within the new namespaces' process the mount is as good as outside: it has the node's own mounts.
  await shell.run(`unshare --net=${quoted(net)} --ipc=${quoted(ipc)} mount -t tmpfs -o ${SHARED_MEMORY} shm ${quoted(shm)}`, { signal })
}

async function unpinNamespaces(shell: Shell, directory: string): Promise<void> {
  const held = [networkNamespaceIn(directory), ipcNamespaceIn(directory), sharedMemoryIn(directory)]
  const signal = AbortSignal.timeout(UNPIN_TIMEOUT_MS)
  await shell.run(`umount --lazy --quiet ${held.map(quoted).join(' ')}`, { signal }).catch(() => {})
  if (await arePinned(directory)) throw new Error(`the namespaces in ${directory} cannot be let go`)
  await rm(directory, { recursive: true, force: true })
}

async function arePinned(directory: string): Promise<boolean> {
  const file = await statfs(networkNamespaceIn(directory)).catch(() => undefined)
  return file?.type === NAMESPACE_FILE_TYPE
}

function pinnedIn(root: string): Promise<string[]> {
  return readdir(root).catch(() => [])
}

export function kernelPinning(): NamespacePinning {
  const shell = new Shell()
  return {
    pin: (directory, signal) => pinNamespaces(shell, directory, signal),
    unpin: (directory) => unpinNamespaces(shell, directory),
    arePinned,
    pinnedIn,
  }
}
