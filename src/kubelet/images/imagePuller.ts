/**
 * Gets the image of a container onto the node by its pull policy, each image at most once at a time, with a backoff after
 * failures, and tells of it in upstream's events.
 */
import type { Container, Pod, Secret } from '../../api/kinds/core/v1.ts'
import { formatDuration } from '../../api/codec/goTime.ts'
import type { Clock } from '../../base/clock.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { PodStartTimes } from '../metrics/podStartTimes.ts'
import { fieldPathOf } from '../pods/podSpec.ts'
import { ImagePullError } from '../runtime/runtime.ts'
import type { Image, Runtime } from '../runtime/runtime.ts'
import { credentialsFor, type AuthEntries, type Credentials } from './credentials.ts'
import type { EndOfPull, PulledImages } from './pulledImages.ts'
import type { PullSecret } from './pullRecords.ts'
import { SharedPulls, type PullResult } from './sharedPulls.ts'

const BACKOFF_BASE_MS = 10_000
const BACKOFF_MAX_MS = 300_000

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
  /** How many pulls there are at once; undefined for some, of which one that takes long holds up no other. */
  maxParallel: number | undefined
  /** Those that every pod has. */
  nodeCredentials(): Promise<AuthEntries>
  pulledImages: Pick<PulledImages, 'begin' | 'mayUse'>
  /** An image is new on the node. */
  onPulled(): void
}

export interface ImageRequest {
  pod: Pod
  container: Container
  pullSecrets(): Promise<Secret[]>
  signal: AbortSignal
}

function once<T>(get: () => Promise<T>): () => Promise<T> {
  let got: Promise<T> | undefined
  return () => (got ??= get())
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

const inSeconds = (ms: number): string => formatDuration(BigInt(Math.round(ms)) * 1_000_000n)

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

export class ImagePuller {
  readonly #options: ImagePullerOptions
  readonly #pulls: SharedPulls
  readonly #failures = new Map<string, Failure>()

  constructor(options: ImagePullerOptions) {
    this.#options = options
    this.#pulls = new SharedPulls(options)
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
    const { nodeCredentials } = this.#options
    const credentials = once(async () => credentialsFor(image, await request.pullSecrets(), await nodeCredentials()))
    const present = await this.#present(request, image, credentials)
    if (present) return present
    const key = `${pod.metadata.uid}_${image}`
    this.#refuseWhileBackingOff(request, key, image)
    return this.#pull(request, key, image, credentials)
  }

  /** The image where it is there and the pod may have it; undefined where it is to be pulled. */
  async #present(request: ImageRequest, image: string, credentials: () => Promise<readonly Credentials[]>): Promise<Image | undefined> {
    const { pulledImages, measures } = this.#options
    const policy = pullPolicy(request.container)
    const found = policy === 'Always' ? undefined : await this.#inspect(request, image)
    const secrets = async (): Promise<PullSecret[]> => (await credentials()).flatMap(({ secret }) => secret ?? [])
    const isUsable = found !== undefined && (await pulledImages.mayUse(found, image, secrets))
    measures.count('kubelet_image_manager_ensure_image_requests_total', {
      pull_policy: policy.toLowerCase(),
      present_locally: policy === 'Always' ? 'unknown' : String(found !== undefined),
      // Where there is none and none is to be pulled, the question does not arise.
      pull_required: policy === 'Never' && !found ? 'unknown' : String(!isUsable),
    })
    if (isUsable) {
      this.#event(request, 'Normal', 'Pulled', `Container image "${image}" already present on machine and can be accessed by the pod`)
      return found
    }
    if (policy !== 'Never') return undefined
    // An image that the pod may not have is told as none.
    const message = `Container image "${image}" is not present with pull policy of Never`
    this.#event(request, 'Warning', 'ErrImageNeverPull', message)
    throw new ImageUnavailableError('ErrImageNeverPull', message)
  }

  async #inspect(request: ImageRequest, image: string): Promise<Image | undefined> {
    try {
      return await this.#options.runtime.imageStatus(image)
    } catch (error) {
      const message = `Failed to inspect image "": ${error instanceof Error ? error.message : String(error)}`
      this.#event(request, 'Warning', 'InspectFailed', message)
      throw new ImageUnavailableError('ImageInspectError', message, undefined, error)
    }
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

  async #pull(request: ImageRequest, key: string, image: string, credentials: () => Promise<readonly Credentials[]>): Promise<Image> {
    const { clock, measures, startTimes } = this.#options
    const startedMs = clock.now()
    const pulledFor = startTimes.pulling(request.pod.metadata.uid)
    this.#event(request, 'Normal', 'Pulling', `Pulling image "${image}"`)
    try {
      const { image: pulled, pullMs } = await this.#pullAndNote(image, await credentials(), request.signal)
      const inAllMs = clock.now() - startedMs
      measures.observe('kubelet_image_pull_duration_seconds', inAllMs / 1000, { image_size_in_bytes: sizeRange(pulled.sizeBytes) })
      this.#failures.delete(key)
      this.#options.onPulled()
      this.#event(
        request,
        'Normal',
        'Pulled',
        `Successfully pulled image "${image}" in ${inSeconds(Math.min(pullMs, inAllMs))} (${inSeconds(inAllMs)} including waiting). Image size: ${pulled.sizeBytes} bytes.`,
      )
      return pulled
    } catch (error) {
      request.signal.throwIfAborted()
      throw this.#failed(request, key, image, error)
    } finally {
      pulledFor()
    }
  }

  async #pullAndNote(image: string, credentials: readonly Credentials[], signal: AbortSignal): Promise<PullResult> {
    const end = await this.#options.pulledImages.begin(image)
    let outcome: Parameters<EndOfPull>[0]
    try {
      const result = await this.#pulls.pull(image, credentials, signal)
      outcome = { image: result.image, secret: result.used?.secret }
      return result
    } finally {
      await end(outcome)
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

  #event({ pod, container }: ImageRequest, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#options.events.record(pod, { type, reason, message, fieldPath: fieldPathOf(pod, container.name) })
  }
}
