/** NFS volumes, mounted by the kernel itself: the node carries no helper program of NFS', which would do no more than this. */
import { lookup } from 'node:dns/promises'
import { mkdir, readFile, rmdir } from 'node:fs/promises'
import { isIP } from 'node:net'
import type { NFSVolumeSource } from '../../api/kinds/core/v1.ts'
import { run } from '../../base/exec.ts'

const MOUNT_TIMEOUT_MS = 60_000

/** The options of the mount, with the server's address: the kernel looks no names up. Pure. */
export function nfsOptions(address: string, readOnly: boolean, mountOptions: readonly string[]): string {
  const own = mountOptions.filter((option) => !/^(addr|ro|rw)(=|$)/.test(option))
  return [readOnly ? 'ro' : 'rw', ...own, `addr=${address}`].join(',')
}

/** `kernel` is the text of /proc/filesystems; undefined when this kernel knows no NFS. */
export function nfsType(kernel: string): string | undefined {
  const known = new Set(kernel.split('\n').map((line) => line.split('\t').at(-1)?.trim()))
  return ['nfs4', 'nfs'].find((type) => known.has(type))
}

export async function mountNfs(
  { server, path, readOnly = false }: NFSVolumeSource,
  mountOptions: readonly string[],
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  const type = nfsType(await readFile('/proc/filesystems', 'utf8').catch(() => ''))
  if (!type) throw new Error(`mount failed: this node's kernel has no NFS client (the host may have it as a module: modprobe nfs)`)
  const { address } = isIP(server) ? { address: server } : await lookup(server)
  await mkdir(directory, { recursive: true, mode: 0o750 })
  const source = `${address.includes(':') ? `[${address}]` : address}:${path}`
  try {
    await run('mount', ['--internal-only', '-t', type, '-o', nfsOptions(address, readOnly, mountOptions), source, directory], {
      signal,
      timeoutMs: MOUNT_TIMEOUT_MS,
    })
  } catch (error) {
    await rmdir(directory).catch(() => {})
    throw error
  }
}
