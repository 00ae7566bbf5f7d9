/** `minicube image build`: a Dockerfile, built by the engine inside the node. */
import { lstatSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import tar from 'tar-fs'
import { isImageName } from '../names.ts'
import { followProgress } from '../nodeImage/buildImage.ts'
import { innerEngine } from '../nodeStream.ts'
import { type ClusterOptions, openNode } from '../runningNode.ts'
import { fullDiskError, saysDiskFull, usageError, UserError } from '../userError.ts'
import { parseDockerignore } from './dockerignore.ts'
import { isFile } from './isFile.ts'
import { spreadImages } from './loadImages.ts'

export interface BuildNodeImageOptions extends ClusterOptions {
  /** The folder with the build context. */
  folder: string
  tag?: string
  /** Relative to the folder; `Dockerfile` unless given. */
  dockerfile?: string
  buildArgs?: Record<string, string>
  /** What the builder says, as it says it. */
  onOutput(text: string): void
}

/** Builds in the node's own engine: nothing has to be loaded afterwards. Answers the image's ID. */
export async function buildNodeImage(options: BuildNodeImageOptions): Promise<string> {
  const { folder, tag, dockerfile = 'Dockerfile', signal } = options
  if (tag !== undefined && !isImageName(tag)) {
    throw usageError(`"${tag}" is not a name for an image: lower case, [REGISTRY/]NAME[:TAG]`, 'For example: --tag my-app:dev')
  }
  if (!(await isFile(join(folder, dockerfile)))) {
    throw usageError(`there is no ${dockerfile} in ${folder}`, 'Give the folder with the Dockerfile, or its path in there with --file')
  }
  const { container, engine, profile } = await openNode(options)
  const inner = await innerEngine(container)
  const dockerignore = parseDockerignore(await readFile(join(folder, '.dockerignore'), 'utf8').catch(() => ''))
  const context = tar.pack(folder, {
    ignore: (path) => {
      const name = relative(folder, path).replaceAll('\\', '/')
      if (name === dockerfile || name === '.dockerignore' || !dockerignore.ignores(name)) return false
      return !(dockerignore.hasExceptions && lstatSync(path).isDirectory())
    },
    map: (header) => ({ ...header, uid: 0, gid: 0 }),
  })
  const answer = await inner.buildImage(context as unknown as NodeJS.ReadableStream, {
    ...(tag && { t: tag }),
    dockerfile,
    version: '1',
    rm: true,
    forcerm: true,
    // The engine inside has no bridge: what RUN lines fetch goes through the node.
    networkmode: 'host',
    ...(options.buildArgs && { buildargs: options.buildArgs }),
    abortSignal: signal,
  })
  let id = ''
  await followProgress(answer, (message: { stream?: string; status?: string; error?: string; aux?: { ID?: string } }) => {
    if (message.error && saysDiskFull(message.error)) throw fullDiskError(`the image could not be built: ${message.error}`)
    if (message.error)
      throw new UserError({
        area: 'GUEST',
        sort: 'UNAVAILABLE',
        message: `the image could not be built in "${profile.name}": ${message.error}`,
      })
    if (message.aux?.ID) id = message.aux.ID
    if (message.stream) options.onOutput(message.stream)
    else if (message.status) options.onOutput(`${message.status}\n`)
  })
  await spreadImages(engine, profile, inner, tag ? [tag] : [])
  return id
}
