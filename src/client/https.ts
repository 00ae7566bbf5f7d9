/** The API over HTTPS, JSON both ways. A failure's Status body becomes a StatusError; a watch is line-delimited JSON. */
import { constants, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2'
import { newServiceUnavailable, StatusError } from '../api/status.ts'
import { systemClock, type Clock } from '../base/clock.ts'
import { discoveredResources, errorOf, type ListBody, listOf, type ResourceListBody, watchEvents } from './answers.ts'
import type { DiscoveredResource, ResourceRequest, Transport, WatchEvent, WatchRequest } from './client.ts'
import { METHODS, requestPath, watchPath } from './paths.ts'
import { retryingAfter } from './retryAfter.ts'
import { bodyOf, headersOf, Session, type SessionOptions } from './session.ts'

export interface HttpsTransportOptions extends SessionOptions {
  clock?: Clock
}

const REQUEST_TIMEOUT_MS = 60_000

const { HTTP2_HEADER_METHOD: METHOD, HTTP2_HEADER_PATH: PATH, HTTP2_HEADER_STATUS: STATUS } = constants

/** An answer that says to come back later is asked for again; what goes wrong below HTTP is the service being unavailable. */
export class HttpsTransport implements Transport {
  readonly #server: string
  readonly #clock: Clock
  readonly #session: Session

  constructor({ clock = systemClock, ...options }: HttpsTransportOptions) {
    this.#server = options.server
    this.#clock = clock
    this.#session = new Session(options)
  }

  request(asked: ResourceRequest): Promise<unknown> {
    return this.#retrying(() => this.#request(asked), asked.signal)
  }

  async *watch(asked: WatchRequest): AsyncGenerator<WatchEvent> {
    try {
      const stream = await this.#retrying(() => this.#openWatch(asked), asked.signal)
      yield* watchEvents(stream as AsyncIterable<Uint8Array>)
    } catch (error) {
      if (asked.signal.aborted) return
      throw this.#unreachable(error)
    }
  }

  discover(group: string, version: string, signal?: AbortSignal): Promise<DiscoveredResource[]> {
    return this.#retrying(async () => {
      const path = group ? `/apis/${group}/${version}` : `/api/${version}`
      const text = await this.#exchange({ [METHOD]: 'GET', [PATH]: path }, undefined, signal)
      return discoveredResources(group, version, this.#parsed(text) as ResourceListBody)
    }, signal)
  }

  close(): void {
    this.#session.close()
  }

  #retrying<T>(send: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return retryingAfter(send, { clock: this.#clock, ...(signal && { signal }) })
  }

  async #request(asked: ResourceRequest): Promise<unknown> {
    const body = asked.body === undefined ? undefined : JSON.stringify(asked.body)
    const headers = {
      [METHOD]: METHODS[asked.verb],
      [PATH]: requestPath(asked),
      ...(body !== undefined && { 'content-type': asked.patchType ?? 'application/json' }),
    }
    const text = await this.#exchange(headers, body, asked.signal)
    const answer: unknown = text ? this.#parsed(text) : undefined
    return asked.verb === 'list' ? listOf(asked, answer as ListBody) : answer
  }

  /** The body of a good answer; throws what a failing one stands for. */
  async #exchange(headers: OutgoingHttpHeaders, body: string | undefined, asked: AbortSignal | undefined): Promise<string> {
    const signal = AbortSignal.any([AbortSignal.timeout(REQUEST_TIMEOUT_MS), ...(asked ? [asked] : [])])
    try {
      const stream = this.#session.open(headers, signal)
      stream.end(body)
      const answer = await headersOf(stream)
      const text = (await bodyOf(stream)).toString()
      const code = Number(answer[STATUS])
      if (code >= 400) throw errorOf(code, text, answer['retry-after'])
      return text
    } catch (error) {
      if (asked?.aborted) throw asked.reason
      throw this.#unreachable(error, signal)
    }
  }

  async #openWatch(asked: WatchRequest): Promise<ClientHttp2Stream> {
    const stream = this.#session.open({ [METHOD]: 'GET', [PATH]: watchPath(asked) }, asked.signal)
    stream.end()
    const headers = await headersOf(stream)
    const code = Number(headers[STATUS])
    if (code >= 400) throw errorOf(code, (await bodyOf(stream)).toString(), headers['retry-after'])
    return stream
  }

  #parsed(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch (error) {
      throw this.#unreachable(error)
    }
  }

  /** What went wrong below HTTP is told as the service being unavailable, with the cause. */
  #unreachable(error: unknown, limit?: AbortSignal): unknown {
    if (error instanceof StatusError) return error
    const cause = this.#session.lastError ?? (limit?.aborted ? limit.reason : error)
    const failure = newServiceUnavailable(
      `the API server at ${this.#server} cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`,
    )
    failure.cause = cause
    return failure
  }
}
