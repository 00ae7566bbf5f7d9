/**
 * Gets the image of a container onto the node by its pull policy, each image at most once at a time, with a backoff after
 * failures, and tells of it in upstream's events.
 */
import type { Container, Pod, Secret } from '../../api/kinds/core/v1.ts'
import { orAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { PodStartTimes } from '../metrics/podStartTimes.ts'
import { fieldPathOf } from '../pods/podSpec.ts'
import { ImagePullError } from '../runtime/runtime.ts'
import type { Image, RegistryAuth, Runtime } from '../runtime/runtime.ts'
import { credentialsFor } from './credentials.ts'

const BACKOFF_BASE_MS = 10_000
const BACKOFF_MAX_MS = 300_000
const MAX_PARALLEL_PULLS = 4
/** A pull that takes longer gives its place to the next: one that never ends holds up no other. */
const SLOW_PULL_MS = 10_000

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
  measures: KubeletMeasures
  startTimes: Pick<PodStartTimes, 'pulling'>
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

const SIZE_RANGES: readonly (readonly [fromBytes: number, name: string])[] = [
  [100 * 2 ** 30, 'GT100GB'],
  [60 * 2 ** 30, '60GB-100GB'],
  [40 * 2 ** 30, '40GB-60GB'],
  [30 * 2 ** 30, '30GB-40GB'],
  [20 * 2 ** 30, '20GB-30GB'],
  [10 * 2 ** 30, '10GB-20GB'],
  [5 * 2 ** 30, '5GB-10GB'],
  [2 ** 30, '1GB-5GB'],
  [500 * 2 ** 20, '500MB-1GB'],
  [100 * 2 ** 20, '100MB-500MB'],
  [10 * 2 ** 20, '10MB-100MB'],
]

/** Upstream's names of how large an image is. */
const sizeRange = (bytes: number): string => SIZE_RANGES.find(([from]) => bytes >= from)?.[1] ?? '0-10MB'

interface SharedPull {
  image: Promise<Image>
  /** To be used once no pod waits for it any more. */
  abort: AbortController
  waiting: number
}

export class ImagePuller {
  readonly #options: ImagePullerOptions
  readonly #pulling = new Map<string, SharedPull>()
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
    const { clock, measures, startTimes } = this.#options
    const startedMs = clock.now()
    const pulledFor = startTimes.pulling(request.pod.metadata.uid)
    this.#event(request, 'Normal', 'Pulling', `Pulling image "${image}"`)
    try {
      const auths = credentialsFor(image, await request.pullSecrets())
      const { pulled, pullMs } = await this.#pullOnce(image, auths, request.signal)
      const inAll = seconds(clock.now() - startedMs)
      measures.observe('kubelet_image_pull_duration_seconds', pullMs / 1000, { image_size_in_bytes: sizeRange(pulled.sizeBytes) })
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
    } finally {
      pulledFor()
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

  /** Pods that want the same image with the same credentials share one pull, which ends when none of them is left. */
  async #pullOnce(image: string, auths: readonly RegistryAuth[], signal: AbortSignal): Promise<{ pulled: Image; pullMs: number }> {
    signal.throwIfAborted()
    const startedMs = this.#options.clock.now()
    const key = JSON.stringify([image, auths.map((auth) => [auth.serverAddress, auth.username, auth.password])])
    const pull = this.#pulling.get(key) ?? this.#startPull(key, image, auths)
    pull.waiting++
    try {
      return { pulled: await orAbort(pull.image, signal), pullMs: this.#options.clock.now() - startedMs }
    } finally {
      if (--pull.waiting === 0) {
        this.#pulling.delete(key)
        pull.abort.abort()
      }
    }
  }

  #startPull(key: string, image: string, auths: readonly RegistryAuth[]): SharedPull {
    const abort = new AbortController()
    const signal = AbortSignal.any([this.#options.signal, abort.signal])
    const pull = { image: this.#withSlot(() => this.#tryEach(image, auths, signal), signal), abort, waiting: 0 }
    this.#pulling.set(key, pull)
    return pull
  }

  async #tryEach(image: string, auths: readonly RegistryAuth[], signal: AbortSignal): Promise<Image> {
    const { runtime } = this.#options
    let failure: unknown
    for (const auth of auths.length > 0 ? auths : [undefined]) {
      signal.throwIfAborted()
      try {
        return await runtime.pullImage(image, auth, signal)
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  async #withSlot<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#takeSlot(signal)
    const give = this.#oneGiver()
    const cancel = this.#options.clock.after(SLOW_PULL_MS, give)
    try {
      return await work()
    } finally {
      cancel()
      give()
    }
  }

  async #takeSlot(signal: AbortSignal): Promise<void> {
    if (this.#running < MAX_PARALLEL_PULLS) return void this.#running++
    const turn = Promise.withResolvers<void>()
    this.#queue.push(turn.resolve)
    try {
      // Whoever gives a place up counts for the one who gets it.
      await orAbort(turn.promise, signal)
    } catch (error) {
      const at = this.#queue.indexOf(turn.resolve)
      if (at >= 0) this.#queue.splice(at, 1)
      else this.#giveSlot()
      throw error
    }
  }

  #giveSlot(): void {
    const next = this.#queue.shift()
    if (next) next()
    else this.#running--
  }

  #oneGiver(): () => void {
    let given = false
    return () => {
      if (!given) this.#giveSlot()
      given = true
    }
  }

  #event({ pod, container }: ImageRequest, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#options.events.record(pod, { type, reason, message, fieldPath: fieldPathOf(pod, container.name) })
  }
}
