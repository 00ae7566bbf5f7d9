/** What a container takes of the node's disk: its writable layer, as the engine counts it, and its log files. */
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ContainerDisk } from '../runtime.ts'
import type { Engine } from './engine.ts'

/** The client's types leave it out. */
const WITH_SIZE: object = { size: true }

export async function readContainerDisk(engine: Engine, id: string, signal: AbortSignal): Promise<ContainerDisk> {
  const inspected = (await (await engine()).getContainer(id).inspect(WITH_SIZE)) as { SizeRw?: number; LogPath?: string }
  signal.throwIfAborted()
  return { writableBytes: inspected.SizeRw ?? 0, logBytes: inspected.LogPath ? await logBytes(inspected.LogPath) : 0 }
}

/** Of the log and those before it that were set aside. */
async function logBytes(path: string): Promise<number> {
  const names = await readdir(dirname(path)).catch(() => [])
  const own = names.filter((name) => name.startsWith(basename(path)))
  const sizes = await Promise.all(
    own.map((name) =>
      stat(join(dirname(path), name)).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
