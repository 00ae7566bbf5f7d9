/**
 * What of an archive of `docker save` an engine has already. `docker load` takes the layers that it knows from its own store and
 * never opens their files, so that these need not travel. A layer is known by its chain: its diff ID and those below it.
 */
import type Docker from 'dockerode'
import { createReadStream } from 'node:fs'
import { posix } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import tar from 'tar-stream'

/** Manifests and configurations are read into memory, and nobody's are larger. */
const JSON_BYTES_MAX = 16 * 1024 * 1024

export interface ImageInArchive {
  /** Lowest first. */
  diffIds: readonly string[]
  /** The layers' files in the archive, in the same order. */
  files: readonly string[]
}

export interface ImageArchive {
  images: readonly ImageInArchive[]
  /** Files that are links to others: layers that images share, in archives of older engines. */
  links: ReadonlyMap<string, string>
}

const chainOf = (diffIds: readonly string[], length: number): string => diffIds.slice(0, length).join(' ')

const chainsOf = (diffIds: readonly string[]): string[] => diffIds.map((_, i) => chainOf(diffIds, i + 1))

/** The chains of all layers of some images in an engine; of those that are gone, none. */
export async function chainsOfImages(docker: Docker, names: readonly string[]): Promise<string[]> {
  const layers = await Promise.all(
    names.map((name) =>
      docker
        .getImage(name)
        .inspect()
        .then(
          ({ RootFS }) => RootFS.Layers ?? [],
          () => [],
        ),
    ),
  )
  return layers.flatMap(chainsOf)
}

export async function presentChains(docker: Docker): Promise<ReadonlySet<string>> {
  const images = await docker.listImages()
  return new Set(
    await chainsOfImages(
      docker,
      images.map(({ Id }) => Id),
    ),
  )
}

/** Which files of an archive are not needed by an engine that has some chains. */
export function filesToLeaveOut({ images, links }: ImageArchive, present: ReadonlySet<string>): ReadonlySet<string> {
  const needed = new Set<string>()
  const all = new Set<string>()
  for (const { diffIds, files } of images) {
    for (const [i, file] of files.entries()) {
      all.add(file)
      if (present.has(chainOf(diffIds, i + 1))) continue
      needed.add(file)
      const target = links.get(file)
      if (target !== undefined) needed.add(target)
    }
  }
  return new Set([...all].filter((file) => !needed.has(file)))
}

/** Undefined for what is no plain archive of `docker save`: the engine shall say what it makes of it. */
export async function readImageArchive(path: string, signal?: AbortSignal): Promise<ImageArchive | undefined> {
  const texts = new Map<string, string>()
  const links = new Map<string, string>()
  const extract = tar.extract()
  const reading = pipeline(createReadStream(path), extract, { ...(signal && { signal }) })
  try {
    for await (const entry of extract) {
      const { name, type, linkname, size = 0 } = entry.header
      if ((type === 'symlink' || type === 'link') && linkname) links.set(name, posix.join(posix.dirname(name), linkname))
      else if (size <= JSON_BYTES_MAX) keepJson(texts, name, await buffer(entry))
      entry.resume()
    }
    await reading
    return { images: imagesIn(texts), links }
  } catch (error) {
    await reading.catch(() => {})
    if (signal?.aborted) throw error
    return undefined
  }
}

/** Configurations have names of their own in archives of older engines, and their digest's among the layers in others. */
function keepJson(texts: Map<string, string>, name: string, content: Buffer): void {
  if (content[0] === '{'.charCodeAt(0) || content[0] === '['.charCodeAt(0)) texts.set(name, content.toString())
}

function imagesIn(texts: ReadonlyMap<string, string>): ImageInArchive[] {
  const manifest = JSON.parse(texts.get('manifest.json') ?? '[]') as { Config: string; Layers?: string[] }[]
  return manifest.map(({ Config, Layers = [] }) => {
    const { rootfs } = JSON.parse(texts.get(Config) ?? '{}') as { rootfs?: { diff_ids?: string[] } }
    const diffIds = rootfs?.diff_ids ?? []
    if (diffIds.length !== Layers.length) throw new Error(`${Config} tells of ${diffIds.length} layers, the manifest of ${Layers.length}`)
    return { diffIds, files: Layers }
  })
}

/** The archive without some of its files. Errors end the answered stream. */
export function archiveWithout(path: string, leftOut: ReadonlySet<string>): NodeJS.ReadableStream {
  const pack = tar.pack()
  const extract = tar.extract()
  void (async () => {
    const reading = pipeline(createReadStream(path), extract)
    for await (const entry of extract) {
      if (leftOut.has(entry.header.name)) entry.resume()
      else await pipeline(entry, pack.entry(entry.header))
    }
    await reading
    pack.finalize()
  })().catch((error: unknown) => pack.destroy(error instanceof Error ? error : new Error(String(error))))
  return pack as unknown as NodeJS.ReadableStream
}
