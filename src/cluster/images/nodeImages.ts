/** `minicube image ls` and `rm`: the images that pods are made of, in the engine inside the node. */
import { innerEngine } from '../nodeStream.ts'
import { type ClusterOptions, openNode } from '../runningNode.ts'
import { usageError, UserError } from '../userError.ts'

export interface NodeImage {
  id: string
  /** `repository:tag` as they were given, without docker.io/library. */
  tags: string[]
  digests: string[]
  sizeBytes: number
  createdAt: string
}

export async function listImages(options: ClusterOptions): Promise<NodeImage[]> {
  const { container } = await openNode(options)
  const images = await (await innerEngine(container)).listImages()
  return images
    .map((image) => ({
      id: image.Id,
      tags: image.RepoTags?.filter((tag) => tag !== '<none>:<none>') ?? [],
      digests: image.RepoDigests ?? [],
      sizeBytes: image.Size,
      createdAt: new Date(image.Created * 1000).toISOString(),
    }))
    .sort((a, b) => (a.tags[0] ?? a.id).localeCompare(b.tags[0] ?? b.id))
}

export interface RemoveImagesOptions extends ClusterOptions {
  names: string[]
  force?: boolean
}

export async function removeImages(options: RemoveImagesOptions): Promise<void> {
  const { names, force = false } = options
  if (names.length === 0) throw usageError('minicube image rm needs the name of an image')
  const { container } = await openNode(options)
  const inner = await innerEngine(container)
  for (const name of names) {
    await inner
      .getImage(name)
      .remove({ force })
      .catch((cause: unknown) => {
        const statusCode = cause instanceof Error && 'statusCode' in cause ? cause.statusCode : 0
        if (statusCode === 404)
          throw new UserError({
            area: 'GUEST',
            sort: 'NOT_FOUND',
            message: `the node has no image "${name}"`,
            hint: 'To list them: minicube image ls',
            cause,
          })
        if (statusCode === 409)
          throw new UserError({
            area: 'GUEST',
            sort: 'CONFLICT',
            message: `the image "${name}" is in use: ${(cause as Error).message}`,
            hint: `minicube image rm --force ${name}`,
            cause,
          })
        throw cause
      })
  }
}
