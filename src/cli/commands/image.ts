import { printable } from '../../base/printable.ts'
import { buildNodeImage } from '../../cluster/images/buildNodeImage.ts'
import { loadImages } from '../../cluster/images/loadImages.ts'
import { listImages, removeImages, type NodeImage } from '../../cluster/images/nodeImages.ts'
import { usageError } from '../../cluster/userError.ts'
import type { ClusterOptions } from '../../cluster/runningNode.ts'
import type { CliContext } from '../context.ts'
import { formatTable } from '../table.ts'

const at = async (context: CliContext): Promise<ClusterOptions> => ({
  profile: await context.profile(),
  signal: context.signal,
  env: context.env,
})

export async function imageLoad(sources: string[], context: CliContext): Promise<void> {
  const { stdin, stderr, verbose } = context
  const onProgress = (detail: string): void => void (verbose && stderr.write(`  ${printable(detail)}\n`))
  for (const name of await loadImages({ ...(await at(context)), sources, stdin, onProgress })) stderr.write(`Loaded ${printable(name)}\n`)
}

export interface ImageBuildOptions {
  tag: string
  file?: string
  buildArg?: string[]
}

export async function imageBuild(folder: string, { tag, file, buildArg = [] }: ImageBuildOptions, context: CliContext): Promise<void> {
  const buildArgs = Object.fromEntries(
    buildArg.map((entry) => {
      const equals = entry.indexOf('=')
      if (equals < 1) throw usageError(`--build-arg must be name=value, not ${entry}`, 'For example: --build-arg VERSION=2')
      return [entry.slice(0, equals), entry.slice(equals + 1)]
    }),
  )
  const onOutput = (text: string): void => void context.stderr.write(printable(text))
  await buildNodeImage({ ...(await at(context)), folder, tag, buildArgs, onOutput, ...(file && { dockerfile: file }) })
  context.stderr.write(`Built ${tag} in the cluster: pods can use it.\n`)
}

const names = (image: NodeImage): readonly string[] =>
  image.tags.length > 0 ? image.tags : image.digests.length > 0 ? image.digests : [image.id]

function inMegabytes(sizeBytes: number): string {
  return sizeBytes >= 1e9 ? `${(sizeBytes / 1e9).toFixed(2)}GB` : `${(sizeBytes / 1e6).toFixed(1)}MB`
}

const FORMATS: Record<string, (images: readonly NodeImage[]) => string | Promise<string>> = {
  short: (images) =>
    images
      .flatMap(names)
      .map((name) => `${printable(name)}\n`)
      .join(''),
  json: (images) =>
    `${JSON.stringify(images.map(({ id, tags, digests, sizeBytes }) => ({ id, repoDigests: digests, repoTags: tags, size: String(sizeBytes) })))}\n`,
  yaml: async (images) =>
    (await import('yaml')).stringify(
      images.map(({ id, tags, digests, sizeBytes }) => ({ id, repoDigests: digests, repoTags: tags, size: String(sizeBytes) })),
    ),
  table: (images) =>
    formatTable(
      ['IMAGE', 'TAG', 'IMAGE ID', 'SIZE'],
      images.flatMap((image) =>
        names(image).map((name) => {
          const colon = /:[^/]*$/.exec(name)?.index ?? name.length
          return [name.slice(0, colon), name.slice(colon + 1), image.id.replace('sha256:', '').slice(0, 12), inMegabytes(image.sizeBytes)]
        }),
      ),
    ),
}

export async function imageList(options: { format?: string; output?: string }, context: CliContext): Promise<void> {
  const format = options.output ?? options.format ?? 'short'
  const write = FORMATS[format]
  if (!write)
    throw usageError(
      `--format must be one of ${Object.keys(FORMATS).join(', ')}, not ${format}`,
      'For example: minicube image ls --format table',
    )
  context.stdout.write(await write(await listImages(await at(context))))
}

export async function imageRemove(images: string[], context: CliContext): Promise<void> {
  await removeImages({ ...(await at(context)), names: images })
}
