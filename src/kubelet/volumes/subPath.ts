/**
 * Resolves a subPath inside a volume to the path that is bound into the container. Links are followed first and the
 * result must still lie inside the volume; what is missing is made, one real directory below the other.
 */
import { mkdir, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'

function isWithin(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep)
}

export async function resolveSubPath(volumeRoot: string, subPath: string): Promise<string> {
  if (subPath.startsWith('/')) throw new Error(`subPath must not be an absolute path: ${subPath}`)
  const parts = subPath.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw new Error(`subPath must not contain '..': ${subPath}`)
  const root = await realpath(volumeRoot)
  let here = root
  for (const part of parts) {
    const next = join(here, part)
    const real = await realpath(next).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (real === undefined) await mkdir(next, { mode: 0o750 })
    here = real ?? next
    if (!isWithin(root, here)) throw new Error(`subPath "${subPath}" leads out of its volume`)
  }
  return here
}
