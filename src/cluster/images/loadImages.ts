/** `minicube image load`: images of the user's engine, or of an archive, into the node; layers that it has do not travel again. */
import type Docker from 'dockerode'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Engine } from '../engine/engine.ts'
import { isImageName } from '../names.ts'
import { followProgress } from '../nodeImage/buildImage.ts'
import { imageId, saveImages } from '../nodeImage/nodeImage.ts'
import { innerEngine } from '../nodeStream.ts'
import type { ProfileConfig } from '../profile.ts'
import { type ClusterOptions, openNode } from '../runningNode.ts'
import { fullDiskError, saysDiskFull, usageError, UserError } from '../userError.ts'
import { listWorkers } from '../workers.ts'
import { archiveWithout, chainsOfImages, filesToLeaveOut, presentChains, readImageArchive } from './imageLayers.ts'
import { isFile } from './isFile.ts'

export interface LoadImagesOptions extends ClusterOptions {
  /** `-` for standard input, the path of an archive of `docker save`, or the name of an image in the user's engine. */
  sources: string[]
  stdin: NodeJS.ReadableStream
  onProgress(detail: string): void
}

/** Answers what was loaded, as the engine names it. */
export async function loadImages(options: LoadImagesOptions): Promise<string[]> {
  const { sources, stdin, signal } = options
  if (sources.length === 0)
    throw usageError(
      'minicube image load needs an image, an archive, or - for standard input',
      'For example: minicube image load my-app:dev',
    )
  const { container, engine, profile } = await openNode(options)
  const inner = await innerEngine(container)
  // What the node has already need not travel again.
  const present = new Map((await inner.listImages()).flatMap(({ Id, RepoTags }) => (RepoTags ?? []).map((tag) => [tag, Id])))
  const names: string[] = []
  const loaded: string[] = []
  const archives: (string | NodeJS.ReadableStream)[] = []
  for (const source of sources) {
    let id: string | undefined
    if (source === '-') archives.push(stdin)
    else if (await isFile(source)) archives.push(source)
    else if (isImageName(source) && (id = await imageId(engine, source, signal)) !== undefined) {
      if (present.get(tagged(source)) === id) loaded.push(tagged(source))
      else names.push(source)
    } else {
      throw new UserError({
        area: 'GUEST',
        sort: 'NOT_FOUND',
        message: `"${source}" is neither a file nor an image in the engine at ${engine.address.host}`,
        hint: isImageName(source)
          ? `Build it into the cluster: minicube image build -t ${source} DIR, or give an archive of docker save`
          : 'For example: minicube image load my-app:dev, or minicube image load my-app.tar',
      })
    }
  }
  for (const archive of archives) loaded.push(...(await loadArchive(inner, archive, options)))
  // Images that share layers travel in one archive.
  if (names.length > 0) loaded.push(...(await loadFromEngine(engine, inner, names, options)))
  await spreadImages(engine, profile, inner, loaded)
  return loaded
}

type LoadOptions = Partial<Pick<LoadImagesOptions, 'signal'>> & Pick<LoadImagesOptions, 'onProgress'>

/** Of a file only what the engine does not have yet; a stream can be read once, so that it goes there whole. */
async function loadArchive(inner: Docker, archive: string | NodeJS.ReadableStream, options: LoadOptions): Promise<string[]> {
  if (typeof archive !== 'string') return loadStream(inner, archive, options)
  const layers = await readImageArchive(archive, options.signal)
  const leftOut = layers ? filesToLeaveOut(layers, await presentChains(inner)) : new Set<string>()
  if (leftOut.size === 0) return loadStream(inner, createReadStream(archive), options)
  try {
    return await loadStream(inner, archiveWithout(archive, leftOut), options)
  } catch (error) {
    // Images may have gone from the node meanwhile, and their layers with them.
    if (options.signal?.aborted) throw error
    return loadStream(inner, createReadStream(archive), options)
  }
}

function notLoaded(reason: string): UserError {
  if (saysDiskFull(reason)) return fullDiskError(`the node could not store the image: ${reason}`)
  return new UserError({
    area: 'GUEST',
    sort: 'CONFIG',
    message: `the archive could not be loaded: ${reason}`,
    hint: 'It must be an archive of images as docker save makes it, for example: docker save my-app:dev -o my-app.tar',
  })
}

async function loadStream(inner: Docker, archive: NodeJS.ReadableStream, { signal, onProgress }: LoadOptions): Promise<string[]> {
  const loaded: string[] = []
  const answer = await inner.loadImage(archive, { quiet: true, abortSignal: signal } as object)
  await followProgress(answer, (message: { stream?: string; error?: string }) => {
    if (message.error) throw notLoaded(message.error)
    const text = message.stream?.trim() ?? ''
    if (text) onProgress(text)
    const name = /^Loaded image(?: ID)?: (.+)$/.exec(text)?.[1]
    if (name) loaded.push(name)
  })
  return loaded
}

/**
 * An engine saves whole images, and tells at the end which file is which layer: where the node has some of the layers, the archive
 * waits in a file until that is known.
 */
async function loadFromEngine(engine: Engine, inner: Docker, names: readonly string[], options: LoadOptions): Promise<string[]> {
  const archive = await saveImages(engine, [...names], options.signal)
  const [present, wanted] = await Promise.all([presentChains(inner), chainsOfImages(engine.docker, names)])
  if (!wanted.some((chain) => present.has(chain))) return loadStream(inner, archive, options)
  const folder = await mkdtemp(join(tmpdir(), 'minicube-image-'))
  try {
    const file = join(folder, 'images.tar')
    await pipeline(archive, createWriteStream(file, { mode: 0o600 }), { ...(options.signal && { signal: options.signal }) })
    return await loadArchive(inner, file, options)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** To the other nodes of a cluster that has some: a pod may come to run on any of them. */
export async function spreadImages(engine: Engine, profile: ProfileConfig, from: Docker, images: readonly string[]): Promise<void> {
  if ((profile.nodes ?? 1) < 2 || images.length === 0) return
  for (const worker of await listWorkers(engine, profile.name)) {
    await loadFromEngine({ ...engine, docker: from }, await innerEngine(worker), images, { onProgress: () => {} })
  }
}

/** As the engine lists it. */
function tagged(name: string): string {
  return /:[^/]*$/.test(name) || name.includes('@') ? name : `${name}:latest`
}
