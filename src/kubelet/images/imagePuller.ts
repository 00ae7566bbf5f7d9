/**
 * Gets the image of a container onto the node by its pull policy, each image at most once at a time, with a backoff after
 * failures, and tells of it in upstream's events.
 */
import type { Container, Pod, Secret } from '../../api/kinds/core/v1.ts'
import { orAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { EventRecorder } from '../../client/events.ts'
import { fieldPathOf } from '../podSpec.ts'
import { ImagePullError } from '../runtime/runtime.ts'
import type { Image, RegistryAuth, Runtime } from '../runtime/runtime.ts'
import { credentialsFor } from './credentials.ts'

const BACKOFF_BASE_MS = 10_000
const BACKOFF_MAX_MS = 300_000
const MAX_PARALLEL_PULLS = 4

/** The image is not there; `reason` is the container's waiting reason. */
export class ImageUnavailableError extends Error {
  override readonly name = 'ImageUnavailableError'
  readonly reason: string
  /** When to try again, if waiting is all that can be done. */
  readonly retryAtMs: number | undefined
  constructor(reason: string, message: string, retryAtMs?: number, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
    this.retryAtMs = retryAtMs
  }
}

export interface ImagePullerOptions {
  runtime: Runtime
  events: EventRecorder
  clock: Clock
  /** Ends pulls when the kubelet ends. */
  signal: AbortSignal
  /** An image is new on the node. */
  onPulled(image: Image): void
}

export interface ImageRequest {
  pod: Pod
  container: Container
  pullSecrets(): Promise<Secret[]>
  signal: AbortSignal
}

interface Failure {
  delayMs: number
  untilMs: number
  message: string
}

/** Always for `latest` and for no tag at all, unless the spec says otherwise. */
export function pullPolicy(container: Container): string {
  if (container.imagePullPolicy) return container.imagePullPolicy
  const image = container.image ?? ''
  if (image.includes('@')) return 'IfNotPresent'
  const tag = /:([^/]+)$/.exec(image)?.[1]
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent'
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(3).replace(/\.?0+$/, '')}s`
}

export class ImagePuller {
  readonly #options: ImagePullerOptions
  readonly #pulling = new Map<string, Promise<Image>>()
  readonly #failures = new Map<string, Failure>()
  #running = 0
  readonly #queue: (() => void)[] = []

  constructor(options: ImagePullerOptions) {
    this.#options = options
  }

  /** Whether the image can be used without pulling it first. */
  async isPresent(container: Container): Promise<boolean> {
    if (pullPolicy(container) === 'Always') return false
    return (await this.#options.runtime.imageStatus(container.image ?? '')) !== undefined
  }

  async ensure(request: ImageRequest): Promise<Image> {
    const { container, pod } = request
    const image = container.image ?? ''
    if (
      image === '' ||
      /\s/.test(image) ||
      !/^[a-z0-9]/i.test(image) ||
      /[A-Z]/.test(image.split('/').slice(1).join('/').split(/[:@]/)[0] ?? '')
    ) {
      this.#event(
        request,
        'Warning',
        'InspectFailed',
        `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`,
      )
      throw new ImageUnavailableError(
        'InvalidImageName',
        `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`,
      )
    }
    const policy = pullPolicy(container)
    const present = policy === 'Always' ? undefined : await this.#options.runtime.imageStatus(image)
    if (present) {
      this.#event(request, 'Normal', 'Pulled', `Container image "${image}" already present on machine and can be accessed by the pod`)
      return present
    }
    if (policy === 'Never') {
      const message = `Container image "${image}" is not present with pull policy of Never`
      this.#event(request, 'Warning', 'ErrImageNeverPull', message)
      throw new ImageUnavailableError('ErrImageNeverPull', message)
    }
    const key = `${pod.metadata.uid}_${image}`
    this.#refuseWhileBackingOff(request, key, image)
    return this.#pull(request, key, image)
  }

  forget(podUid: string): void {
    for (const key of this.#failures.keys()) if (key.startsWith(`${podUid}_`)) this.#failures.delete(key)
  }

  #refuseWhileBackingOff(request: ImageRequest, key: string, image: string): void {
    const failure = this.#failures.get(key)
    if (!failure || failure.untilMs <= this.#options.clock.now()) return
    const message = `Back-off pulling image "${image}"`
    this.#event(request, 'Normal', 'BackOff', message)
    this.#event(request, 'Warning', 'Failed', 'Error: ImagePullBackOff')
    throw new ImageUnavailableError('ImagePullBackOff', `${message}: ${failure.message}`, failure.untilMs)
  }

  async #pull(request: ImageRequest, key: string, image: string): Promise<Image> {
    const { clock } = this.#options
    const startedMs = clock.now()
    this.#event(request, 'Normal', 'Pulling', `Pulling image "${image}"`)
    try {
      const auths = credentialsFor(image, await request.pullSecrets())
      const { pulled, pullMs } = await orAbort(this.#pullOnce(image, auths), request.signal)
      const inAll = seconds(clock.now() - startedMs)
      this.#failures.delete(key)
      this.#options.onPulled(pulled)
      this.#event(
        request,
        'Normal',
        'Pulled',
        `Successfully pulled image "${image}" in ${seconds(pullMs)} (${inAll} including waiting). Image size: ${pulled.sizeBytes} bytes.`,
      )
      return pulled
    } catch (error) {
      request.signal.throwIfAborted()
      throw this.#failed(request, key, image, error)
    }
  }

  #failed(request: ImageRequest, key: string, image: string, error: unknown): ImageUnavailableError {
    const reason = error instanceof ImagePullError ? error.reason : 'ErrImagePull'
    const text = error instanceof Error ? error.message : String(error)
    const before = this.#failures.get(key)
    const delayMs = before ? Math.min(before.delayMs * 2, BACKOFF_MAX_MS) : BACKOFF_BASE_MS
    const untilMs = this.#options.clock.now() + delayMs
    this.#failures.set(key, { delayMs, untilMs, message: `${reason}: ${text}` })
    this.#event(request, 'Warning', 'Failed', `Failed to pull image "${image}": ${text}`)
    this.#event(request, 'Warning', 'Failed', `Error: ${reason}`)
    return new ImageUnavailableError(reason, text, untilMs, error)
  }

  /** Pods that want the same image with the same credentials share one pull. */
  async #pullOnce(image: string, auths: readonly RegistryAuth[]): Promise<{ pulled: Image; pullMs: number }> {
    const startedMs = this.#options.clock.now()
    const key = JSON.stringify([image, auths.map((auth) => [auth.serverAddress, auth.username, auth.password])])
    let pulling = this.#pulling.get(key)
    if (!pulling) {
      pulling = this.#withSlot(() => this.#tryEach(image, auths)).finally(() => this.#pulling.delete(key))
      this.#pulling.set(key, pulling)
    }
    return { pulled: await pulling, pullMs: this.#options.clock.now() - startedMs }
  }

  async #tryEach(image: string, auths: readonly RegistryAuth[]): Promise<Image> {
    const { runtime, signal } = this.#options
    let failure: unknown
    for (const auth of auths.length > 0 ? auths : [undefined]) {
      try {
        return await runtime.pullImage(image, auth, signal)
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  async #withSlot<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MAX_PARALLEL_PULLS) await new Promise<void>((resolve) => this.#queue.push(resolve))
    this.#running++
    try {
      return await work()
    } finally {
      this.#running--
      this.#queue.shift()?.()
    }
  }

  #event({ pod, container }: ImageRequest, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#options.events.record(pod, { type, reason, message, fieldPath: fieldPathOf(pod, container.name) })
  }
}
