/**
 * A webhook that decides: a SubjectAccessReview is posted for each request that its conditions are about, and the answer is kept
 * for a while. Where it cannot be asked its failure policy decides.
 */
import type { JsonObject } from '../../api/resource.ts'
import type { Clock } from '../../base/clock.ts'
import type { Program } from '../../cel/program.ts'
import type { AuthorizationMetrics, WebhookResult } from '../metrics/authorizationMetrics.ts'
import type { RequestAttributes } from '../request.ts'
import type { AuthorizerConfiguration, WebhookConfiguration } from './configuration.ts'
import { milliseconds } from './configuration.ts'
import { allHold, compileMatchCondition } from './matchConditions.ts'
import { conditionView, reviewSpec, specIn } from './reviewSpec.ts'

export type Verdict = 'allow' | 'deny' | 'no-opinion'

export interface Opinion {
  verdict: Verdict
  reason: string
  error?: string
}

/** Posts a body to the webhook and answers what came back. Rejects with a PostError. */
export type Post = (body: Buffer, signal: AbortSignal) => Promise<string>

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  400: 'the server rejected our request for an unknown reason',
  401: 'the server has asked for the client to provide credentials',
  403: 'the server does not allow access to the requested resource',
  404: 'the server could not find the requested resource',
  429: 'the server has received too many requests and has asked us to try again later',
  503: 'the server is currently unable to handle the request',
  504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
}

/** An answer that is no success, as upstream's clients put it. */
export class PostError extends Error {
  override readonly name = 'PostError'
  readonly status: number

  constructor(status: number, text: string) {
    super(STATUS_TEXTS[status] ?? `an error on the server (${JSON.stringify(text)}) has prevented the request from succeeding`)
    this.status = status
  }
}

const ANSWERS_KEPT_MAX = 8_192
/** What is longer is not kept: made-up names would fill the memory. */
const CACHED_ATTRIBUTES_MAX = 10_000
const TRIES = 5
const FIRST_PAUSE_MS = 500
const PAUSE_FACTOR = 1.5

export interface WebhookAuthorizerOptions {
  configuration: AuthorizerConfiguration & { webhook: WebhookConfiguration }
  post: Post
  metrics: AuthorizationMetrics
  clock: Clock
}

interface ReviewStatus {
  allowed?: boolean
  denied?: boolean
  reason?: string
}

export class WebhookAuthorizer {
  readonly #options: WebhookAuthorizerOptions
  readonly #conditions: readonly Program[]
  readonly #answers = new Map<string, { status: ReviewStatus; untilMs: number }>()

  constructor(options: WebhookAuthorizerOptions) {
    this.#options = options
    this.#conditions = (options.configuration.webhook.matchConditions ?? []).map(({ expression }) => compileMatchCondition(expression))
  }

  authorize(attributes: RequestAttributes): Opinion | Promise<Opinion> {
    const { metrics, clock, configuration } = this.#options
    const spec = reviewSpec(attributes)
    try {
      if (this.#conditions.length > 0 && !allHold(this.#conditions, conditionView(attributes))) {
        metrics.excluded(configuration.name)
        return { verdict: 'no-opinion', reason: '' }
      }
    } catch (error) {
      return this.#onError((error as Error).message)
    }
    const key = JSON.stringify(spec)
    const known = this.#answers.get(key)
    if (known && known.untilMs > clock.now()) return opinionOf(known.status)
    return this.#ask(spec, key)
  }

  #onError(error: string): Opinion {
    return { verdict: this.#options.configuration.webhook.failurePolicy === 'Deny' ? 'deny' : 'no-opinion', reason: '', error }
  }

  async #ask(spec: JsonObject, key: string): Promise<Opinion> {
    const { metrics, configuration } = this.#options
    const { name, webhook } = configuration
    try {
      const status = await this.#posted(spec)
      this.#keep(key, spec, status)
      return opinionOf(status)
    } catch (error) {
      if (webhook.failurePolicy === 'NoOpinion') metrics.failedOpen(name, resultOf(error))
      return this.#onError((error as Error).message)
    }
  }

  /** Asked again where the server is out of breath. */
  async #posted(spec: JsonObject): Promise<ReviewStatus> {
    const { post, metrics, clock, configuration } = this.#options
    const { name, webhook } = configuration
    const version = webhook.subjectAccessReviewVersion
    const review = {
      kind: 'SubjectAccessReview',
      apiVersion: `authorization.k8s.io/${version}`,
      metadata: {},
      spec: specIn(version, spec),
      status: { allowed: false },
    }
    const body = Buffer.from(JSON.stringify(review))
    for (let tries = 1, pauseMs = FIRST_PAUSE_MS; ; tries++, pauseMs *= PAUSE_FACTOR) {
      const startMs = performance.now()
      const tell = (result: WebhookResult): void => metrics.asked(name, result, (performance.now() - startMs) / 1000)
      try {
        const answer = await post(body, AbortSignal.timeout(milliseconds(webhook.timeout)))
        const status = statusIn(answer)
        tell('success')
        return status
      } catch (error) {
        tell(resultOf(error))
        if (tries >= TRIES || !isWorthAnotherTry(error)) throw error
        await clock.sleep(pauseMs)
      }
    }
  }

  #keep(key: string, spec: JsonObject, status: ReviewStatus): void {
    const { clock, configuration } = this.#options
    const { authorizedTTL, unauthorizedTTL, cacheAuthorizedRequests = true, cacheUnauthorizedRequests = true } = configuration.webhook
    if (!(status.allowed ? cacheAuthorizedRequests : cacheUnauthorizedRequests) || attributesLength(spec) >= CACHED_ATTRIBUTES_MAX) return
    this.#answers.delete(key)
    if (this.#answers.size >= ANSWERS_KEPT_MAX) this.#answers.delete(this.#answers.keys().next().value as string)
    this.#answers.set(key, { status, untilMs: clock.now() + milliseconds(status.allowed ? authorizedTTL : unauthorizedTTL) })
  }
}

function statusIn(answer: string): ReviewStatus {
  try {
    const { status } = JSON.parse(answer) as { status?: ReviewStatus }
    return status ?? {}
  } catch (cause) {
    throw new Error(`couldn't get version/kind; json parse error: ${(cause as Error).message}`, { cause })
  }
}

function opinionOf({ allowed = false, denied = false, reason = '' }: ReviewStatus): Opinion {
  if (allowed && denied) return { verdict: 'deny', reason, error: 'webhook subject access review returned both allow and deny response' }
  return { verdict: denied ? 'deny' : allowed ? 'allow' : 'no-opinion', reason }
}

const attributesLength = ({ resourceAttributes, nonResourceAttributes }: JsonObject): number =>
  JSON.stringify(resourceAttributes ?? nonResourceAttributes ?? {}).length

const isTimeout = (error: unknown): boolean => (error as Error).name === 'TimeoutError' || (error as PostError).status === 504
const resultOf = (error: unknown): WebhookResult => (isTimeout(error) ? 'timeout' : 'error')
const isWorthAnotherTry = (error: unknown): boolean => {
  const { status = 0, code } = error as { status?: number; code?: string }
  return status === 429 || status === 500 || code === 'ECONNRESET'
}
