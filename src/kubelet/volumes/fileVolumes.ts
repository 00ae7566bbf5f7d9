/** Volumes of files that are made from objects: in which plugin's folder they are, and what they take. */
import { lstat, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { Volume } from '../../api/kinds/core/v1.ts'
import { fileSystemSpace, type Space } from './space.ts'

const PLUGINS = { configMap: 'configmap', secret: 'secret', downwardAPI: 'downward-api', projected: 'projected' } as const
export type FileKind = keyof typeof PLUGINS
const KINDS = Object.keys(PLUGINS) as FileKind[]
/** Of stat. */
const BLOCK_BYTES = 512

export const pluginOf = (kind: FileKind): string => PLUGINS[kind]

export function fileKindOf(volume: Volume): FileKind | undefined {
  return KINDS.find((kind) => volume[kind])
}

interface Use {
  usedBytes: number
  inodesUsed: number
}

async function useOf(path: string): Promise<Use> {
  const info = await lstat(path)
  const own = { usedBytes: info.blocks * BLOCK_BYTES, inodesUsed: 1 }
  if (!info.isDirectory()) return own
  const inside = await Promise.all((await readdir(path)).map((name) => useOf(join(path, name))))
  return inside.reduce((sum, one) => ({ usedBytes: sum.usedBytes + one.usedBytes, inodesUsed: sum.inodesUsed + one.inodesUsed }), own)
}

/** Of the file system that the files are on they take their own part alone. */
export async function fileVolumeSpace(directory: string): Promise<Space> {
  const path = await realpath(directory)
  const [use, space] = await Promise.all([useOf(path), fileSystemSpace(path)])
  return { ...space, ...use }
}
