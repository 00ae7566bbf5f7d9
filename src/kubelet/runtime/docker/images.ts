/** The engine's images, under the names that Kubernetes uses, and pulling them. */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { AuthConfig, ImageInspectInfo } from 'dockerode'
import { orAbort } from '../../../base/abort.ts'
import type { Clock } from '../../../base/clock.ts'
import { type Image, ImagePullError, type RegistryAuth } from '../runtime.ts'
import { type Engine, engineMessage, statusCodeOf, unlessGone } from './engine.ts'
import { formatImageName, fullImageName, imageIdIn, parseImageName } from './imageNames.ts'
import { endpointOf, whyUnreachable } from './registry.ts'

/** A pull that says nothing for this long has failed: the kubelet's image pull progress deadline. */
const PULL_STALLED_AFTER_MS = 60_000

export class Images {
  readonly #engine: Engine
  readonly #clock: Clock
  #goesThroughOthers: Promise<(registry: string) => boolean> | undefined

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine
    this.#clock = clock
  }

  async list(): Promise<Image[]> {
    const rows = await (await this.#engine()).listImages()
    return rows.map((row) => ({
      id: row.Id,
      repoTags: realNames(row.RepoTags),
      repoDigests: realNames(row.RepoDigests),
      sizeBytes: row.Size,
    }))
  }

  async status(name: string): Promise<Image | undefined> {
    const id = imageIdIn(name)
    const parsed = parseImageName(name)
    if (!id && typeof parsed === 'string') return undefined
    const known = id ?? formatImageName(parsed as Exclude<typeof parsed, string>)
    const info = await unlessGone((await this.#engine()).getImage(known).inspect())
    return info && imageFrom(info)
  }

  async remove(id: string): Promise<void> {
    await unlessGone((await this.#engine()).getImage(id).remove({ force: true }))
  }

  async pull(name: string, auth: RegistryAuth | undefined, signal: AbortSignal): Promise<Image> {
    const parsed = parseImageName(name)
    if (typeof parsed === 'string') {
      throw new ImagePullError(
        'InvalidImageName',
        `Failed to apply default image tag "${name}": couldn't parse image name "${name}": ${parsed}`,
      )
    }
    return orAbort(this.#pull(formatImageName(parsed), parsed.registry, auth, signal), signal)
  }

  async #pull(full: string, registry: string, auth: RegistryAuth | undefined, signal: AbortSignal): Promise<Image> {
    if (!(await this.#reachesOtherwise(registry))) {
      const why = await whyUnreachable(endpointOf(registry), signal)
      if (why)
        throw new ImagePullError(
          'RegistryUnavailable',
          `failed to pull and unpack image "${full}": failed to resolve reference "${full}": ${why}`,
        )
    }
    try {
      const stream = await this.#startPull(full, auth, signal)
      await this.#followPull(stream)
    } catch (error) {
      signal.throwIfAborted()
      throw new ImagePullError('ErrImagePull', `failed to pull and unpack image "${full}": ${pullMessage(error, full)}`, error)
    }
    const image = await this.status(full)
    if (!image) throw new ImagePullError('ErrImagePull', `failed to pull and unpack image "${full}": the engine does not have it`)
    return image
  }

  async #startPull(full: string, auth: RegistryAuth | undefined, signal: AbortSignal): Promise<Readable> {
    const authconfig: AuthConfig | undefined = auth && {
      username: auth.username,
      password: auth.password,
      serveraddress: auth.serverAddress,
    }
    const docker = await this.#engine()
    return (await docker.pull(full, { ...(authconfig && { authconfig }), abortSignal: signal })) as Readable
  }

  async #followPull(stream: Readable): Promise<void> {
    const stalled = (): void => void stream.destroy(new Error(`no progress in ${PULL_STALLED_AFTER_MS / 1000} s`))
    let cancel = this.#clock.after(PULL_STALLED_AFTER_MS, stalled)
    try {
      for await (const line of createInterface({ input: stream })) {
        cancel()
        cancel = this.#clock.after(PULL_STALLED_AFTER_MS, stalled)
        const { error } = JSON.parse(line) as { error?: string }
        if (error) throw new Error(error)
      }
      if (stream.errored) throw stream.errored
    } finally {
      cancel()
    }
  }

  /** The engine may have a proxy, or a mirror of Docker's registry: then what we can reach says nothing. */
  async #reachesOtherwise(registry: string): Promise<boolean> {
    this.#goesThroughOthers ??= this.#readDetours()
    try {
      return (await this.#goesThroughOthers)(registry)
    } catch (error) {
      this.#goesThroughOthers = undefined
      throw error
    }
  }

  async #readDetours(): Promise<(registry: string) => boolean> {
    const info = (await (await this.#engine()).info()) as EngineDetours
    const proxied = Boolean(info.HttpProxy || info.HttpsProxy)
    const mirrored = (info.RegistryConfig?.Mirrors ?? []).length > 0
    return (registry) => proxied || (mirrored && registry === 'docker.io')
  }
}

interface EngineDetours {
  HttpProxy?: string
  HttpsProxy?: string
  RegistryConfig?: { Mirrors?: readonly string[] | null }
}

/** In containerd's words where it has any: people look for them. */
export function pullMessage(error: unknown, full: string): string {
  const message = engineMessage(error)
  const unresolved = `failed to resolve reference "${full}"`
  if (/pull access denied|no basic auth credentials|unauthorized/i.test(message))
    return `${unresolved}: pull access denied, repository does not exist or may require authorization: authorization failed: ${message}`
  const isMissing = statusCodeOf(error) === 404 || /manifest unknown|not found/i.test(message)
  return isMissing ? `${unresolved}: ${full}: not found` : message
}

function realNames(names: readonly string[] | null | undefined): string[] {
  return (names ?? []).filter((name) => !name.includes('<none>')).map(fullImageName)
}

function imageFrom(info: ImageInspectInfo): Image {
  return {
    id: info.Id,
    repoTags: realNames(info.RepoTags),
    repoDigests: realNames(info.RepoDigests),
    sizeBytes: info.Size,
    ...imageUser(info.Config?.User ?? ''),
  }
}

/** `0`, `1000:1000`, `nobody`, `nobody:nogroup`. Without a user neither is known. */
export function imageUser(user: string): Pick<Image, 'uid' | 'username'> {
  const [name = ''] = user.split(':')
  if (name === '') return {}
  return /^\d+$/.test(name) ? { uid: Number(name) } : { username: name }
}
