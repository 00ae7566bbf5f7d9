/**
 * An image's files as a directory that cannot be written: its layers, as the engine keeps them, under one read-only mount.
 * The engine gives images to containers alone, and a container for each image volume would cost more than the mount.
 */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '../../../base/exec.ts'
import { type Engine, unlessGone } from './engine.ts'

const MOUNT_TIMEOUT_MS = 10_000
/** One call with a page of options, as of old: of the newer calls, one for each option, an option has no more than 255 bytes. */
const ONE_MOUNT_CALL = { LIBMOUNT_FORCE_MOUNT2: 'always' }

interface LayerPlaces {
  UpperDir?: string
  LowerDir?: string
}

/** The directories of an image's layers, the topmost first. */
export function layersOf({ UpperDir, LowerDir }: LayerPlaces): string[] {
  return [...(UpperDir ? [UpperDir] : []), ...(LowerDir ? LowerDir.split(':') : [])]
}

/** The engine's short name of a layer: the kernel takes one page of options, which many long names do not fit in. */
async function shortName(layer: string): Promise<string> {
  return join('l', (await readFile(join(dirname(layer), 'link'), 'utf8')).trim())
}

/** Mounts an image at a directory that is there; fine when it is mounted already. */
export async function mountImage(engine: Engine, id: string, directory: string, signal: AbortSignal): Promise<void> {
  const info = await unlessGone((await engine()).getImage(id).inspect())
  if (!info) throw new Error(`image ${id} is not there`)
  if (info.GraphDriver.Name !== 'overlay2')
    throw new Error(`image volumes need the engine's storage driver overlay2, this one has ${info.GraphDriver.Name}`)
  const layers = layersOf(info.GraphDriver.Data as LayerPlaces)
  const [only] = layers
  const options = { signal, timeoutMs: MOUNT_TIMEOUT_MS }
  if (only !== undefined && layers.length === 1) {
    await run('mount', ['--bind', '-o', 'ro', only, directory], options)
    return
  }
  if (only === undefined) return
  const names = await Promise.all(layers.map(shortName))
  const cwd = dirname(dirname(only))
  const env = ONE_MOUNT_CALL
  await run('mount', ['-t', 'overlay', '-o', `ro,lowerdir=${names.join(':')}`, 'overlay', directory], { ...options, cwd, env })
}
