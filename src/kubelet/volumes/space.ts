/** The room on a file system. */
import { statfs } from 'node:fs/promises'

/** What is not known is left out. */
export interface Space {
  capacityBytes?: number
  availableBytes?: number
  usedBytes?: number
  inodes?: number
  inodesFree?: number
  inodesUsed?: number
}

export async function fileSystemSpace(directory: string): Promise<Required<Space> | undefined> {
  const space = await statfs(directory).catch(() => undefined)
  return (
    space && {
      capacityBytes: space.blocks * space.bsize,
      availableBytes: space.bavail * space.bsize,
      usedBytes: (space.blocks - space.bfree) * space.bsize,
      inodes: space.files,
      inodesFree: space.ffree,
      inodesUsed: space.files - space.ffree,
    }
  )
}
