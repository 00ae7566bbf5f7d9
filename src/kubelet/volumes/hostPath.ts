/** hostPath volumes: a path of the node, checked or made by its type. */
import { mkdir, open, stat } from 'node:fs/promises'
import type { Stats } from 'node:fs'

type Check = (info: Stats) => boolean

const CHECKS: Readonly<Record<string, { is: Check; what: string }>> = {
  Directory: { is: (info) => info.isDirectory(), what: 'directory' },
  File: { is: (info) => info.isFile(), what: 'file' },
  Socket: { is: (info) => info.isSocket(), what: 'socket file' },
  CharDevice: { is: (info) => info.isCharacterDevice(), what: 'character device' },
  BlockDevice: { is: (info) => info.isBlockDevice(), what: 'block device' },
}

export async function prepareHostPath(path: string, type: string | undefined): Promise<void> {
  let info = await stat(path).catch(() => undefined)
  if (!info) {
    // Without a type the engine would fail on a path that is not there; upstream's runtimes make it a directory.
    if (type === 'DirectoryOrCreate' || !type) await mkdir(path, { recursive: true, mode: 0o755 })
    if (type === 'FileOrCreate') await (await open(path, 'a', 0o644)).close()
    info = await stat(path).catch(() => undefined)
  }
  const check = CHECKS[type?.replace('OrCreate', '') ?? '']
  if (check && !(info && check.is(info))) throw new Error(`hostPath type check failed: ${path} is not a ${check.what}`)
}
