/**
 * The audit webhook (upstream's `batch` mode): events are gathered and sent as an EventList, so many at a time, so often in a
 * second, and each list again after a while if it does not get through. What the buffer cannot hold, and what was tried in
 * vain, is counted as lost: no request waits for its event.
 */
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { EVENT_HEAD } from './audit.ts'
import type { AuditSink } from './audit.ts'

/** By upstream's flags, `--audit-webhook-batch-…`. */
export interface BatchLimits {
  bufferSize: number
  maxSize: number
  maxWaitMs: number
  throttleEnable: boolean
  throttleQps: number
  throttleBurst: number
  initialBackoffMs: number
}

export const BATCH_DEFAULTS: BatchLimits = {
  bufferSize: 10_000,
  maxSize: 400,
  maxWaitMs: 30_000,
  throttleEnable: true,
  throttleQps: 10,
  throttleBurst: 15,
  initialBackoffMs: 10_000,
}

export interface AuditWebhookOptions {
  /** Sends one EventList; rejects where it did not arrive. */
  post: (body: Buffer, signal: AbortSignal) => Promise<void>
  limits?: Partial<BatchLimits>
  log: Logger
  clock: Clock
}

const POST_TIMEOUT_MS = 30_000
const TRIES = 5
const BACKOFF_FACTOR = 1.5
/** Lists on their way at once; further ones wait in the buffer. */
const MAX_SENDING = 16
/** What the last lists may take when the server stops. */
const CLOSE_TIMEOUT_MS = 5_000

const LIST_HEAD = '{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":['

export function eventList(events: readonly string[]): Buffer {
  return Buffer.from(`${LIST_HEAD}${events.map((json) => `{${json.slice(EVENT_HEAD.length)}`).join(',')}]}\n`)
}

export class AuditWebhook implements AuditSink {
  readonly plugin = 'webhook'
  readonly #options: AuditWebhookOptions
  readonly #limits: BatchLimits
  readonly #stopping = new AbortController()
  readonly #sending = new Set<Promise<void>>()
  #buffer: string[] = []
  #tokens: number
  #refilledMs: number
  #cancelWait: (() => void) | undefined
  #cancelThrottle: (() => void) | undefined
  #closing = false
  written = 0
  lost = 0

  constructor(options: AuditWebhookOptions) {
    this.#options = options
    this.#limits = { ...BATCH_DEFAULTS, ...options.limits }
    this.#tokens = this.#limits.throttleBurst
    this.#refilledMs = options.clock.now()
  }

  write(json: string): void {
    const { bufferSize, maxSize, maxWaitMs } = this.#limits
    if (this.#buffer.length >= bufferSize) {
      this.lost++
      return
    }
    this.#buffer.push(json)
    if (this.#buffer.length >= maxSize) this.#flush()
    else this.#cancelWait ??= this.#options.clock.after(maxWaitMs, () => this.#flush())
  }

  /** Sends what is there, for a limited time. */
  async close(): Promise<void> {
    this.#closing = true
    const cancel = this.#options.clock.after(CLOSE_TIMEOUT_MS, () => this.#stopping.abort())
    this.#flush()
    while (this.#sending.size > 0) await Promise.all(this.#sending)
    cancel()
    this.lost += this.#buffer.length
    this.#buffer = []
    this.#cancelThrottle?.()
  }

  /** Sends all that is gathered, as far as the throttle and the lists under way let it. */
  #flush(): void {
    this.#cancelWait?.()
    this.#cancelWait = undefined
    while (this.#buffer.length > 0 && this.#sending.size < MAX_SENDING && this.#takeToken()) {
      const batch = this.#buffer.splice(0, this.#limits.maxSize)
      const sending = this.#send(batch).finally(() => {
        this.#sending.delete(sending)
        if (this.#closing || this.#buffer.length >= this.#limits.maxSize) this.#flush()
      })
      this.#sending.add(sending)
    }
    const isLeft = this.#buffer.length > 0 && !this.#closing && !this.#cancelThrottle
    if (isLeft) this.#cancelWait = this.#options.clock.after(this.#limits.maxWaitMs, () => this.#flush())
  }

  #takeToken(): boolean {
    const { throttleEnable, throttleQps, throttleBurst } = this.#limits
    if (!throttleEnable || this.#closing) return true
    const nowMs = this.#options.clock.now()
    this.#tokens = Math.min(throttleBurst, this.#tokens + ((nowMs - this.#refilledMs) / 1000) * throttleQps)
    this.#refilledMs = nowMs
    if (this.#tokens >= 1) {
      this.#tokens--
      return true
    }
    this.#cancelThrottle ??= this.#options.clock.after(Math.ceil(((1 - this.#tokens) / throttleQps) * 1000), () => {
      this.#cancelThrottle = undefined
      this.#flush()
    })
    return false
  }

  async #send(batch: readonly string[]): Promise<void> {
    const { post, log, clock } = this.#options
    const body = eventList(batch)
    let delayMs = this.#limits.initialBackoffMs
    for (let tries = 1; ; tries++) {
      try {
        await post(body, AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(POST_TIMEOUT_MS)]))
        this.written += batch.length
        return
      } catch (error) {
        if (tries === TRIES || this.#closing) {
          this.lost += batch.length
          log.error('audit events could not be sent', error, { events: batch.length })
          return
        }
        log.debug('audit events are sent again later', { events: batch.length, error: String(error) })
      }
      await clock.sleep(delayMs, this.#stopping.signal).catch(() => {})
      delayMs *= BACKOFF_FACTOR
    }
  }
}
