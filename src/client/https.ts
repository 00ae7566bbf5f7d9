/**
 * The API over HTTPS: one HTTP/2 session for everything, made when it is needed and again when it breaks. JSON both ways;
 * a failure's Status body becomes a StatusError; a watch is line-delimited JSON.
 */
import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { apiVersionOf, type KubeList, type KubeObject } from '../api/resource.ts'
import type { Status } from '../api/kinds/meta/v1.ts'
import { newServiceUnavailable, newStatusError, StatusError, type StatusReason } from '../api/status.ts'
import { systemClock, type Clock } from '../base/clock.ts'
import type { DiscoveredResource, ResourceRequest, Transport, WatchEvent, WatchRequest } from './client.ts'
import { METHODS, requestPath, watchPath } from './paths.ts'
import { retryingAfter } from './retryAfter.ts'

export interface HttpsTransportOptions {
  /** `https://127.0.0.1:8443`. */
  server: string
  /** PEM of the authority that signed the server's certificate. */
  ca: string
  /** PEM of a client certificate and its key. */
  cert?: string
  key?: string
  /** A bearer token, read anew for each request where it is a function. */
  token?: string | (() => string)
  /** Its part before the first `/` becomes the field manager of writes. */
  userAgent: string
  clock?: Clock
}

const MAX_BODY_BYTES = 256 * 2 ** 20
const MAX_WATCH_LINE_CHARS = 64 * 2 ** 20
const REQUEST_TIMEOUT_MS = 60_000
const CONNECT_TIMEOUT_MS = 10_000
/** A session that is in use but silent is asked for a sign of life this often, and given up after the timeout. */
const PING_INTERVAL_MS = 30_000
const PING_TIMEOUT_MS = 15_000

export interface HttpsTransport extends Transport {
  close(): void
}

class Session {
  readonly #options: HttpsTransportOptions
  #current: ClientHttp2Session | undefined
  /** Streams that are open, by session: one that goes away may still have some when the next is made. */
  readonly #open = new WeakMap<ClientHttp2Session, number>()
  #lastError: Error | undefined

  constructor(options: HttpsTransportOptions) {
    this.#options = options
  }

  open(headers: OutgoingHttpHeaders, signal?: AbortSignal): ClientHttp2Stream {
    const { token, userAgent } = this.#options
    const bearer = typeof token === 'function' ? token() : token
    const session = this.#usable()
    const stream = session.request(
      { 'user-agent': userAgent, accept: 'application/json', ...(bearer && { authorization: `Bearer ${bearer}` }), ...headers },
      { ...(signal && { signal }), endStream: false },
    )
    // The session keeps the process alive for as long as something is asked of it, and no longer.
    if (this.#count(session, 1) === 1) session.ref()
    stream.once('close', () => {
      if (this.#count(session, -1) === 0 && !session.destroyed) session.unref()
    })
    return stream
  }

  #count(session: ClientHttp2Session, change: 1 | -1): number {
    const open = (this.#open.get(session) ?? 0) + change
    this.#open.set(session, open)
    return open
  }

  /** Why there is no connection, where that is so. */
  get lastError(): Error | undefined {
    return this.#lastError
  }

  close(): void {
    this.#current?.destroy()
    this.#current = undefined
  }

  #usable(): ClientHttp2Session {
    const known = this.#current
    if (known && !known.closed && !known.destroyed) return known
    const { server, ca, cert, key } = this.#options
    const session = connect(server, { ca, ...(cert && key && { cert, key }) })
    this.#current = session
    const forget = (): void => {
      clearTimeout(connecting)
      clearInterval(pinging)
      if (this.#current === session) this.#current = undefined
    }
    const connecting = setTimeout(
      () => session.destroy(new Error(`no connection to ${server} after ${CONNECT_TIMEOUT_MS} ms`)),
      CONNECT_TIMEOUT_MS,
    )
    connecting.unref()
    const pinging = setInterval(() => pingOnce(session), PING_INTERVAL_MS)
    pinging.unref()
    session.once('connect', () => {
      clearTimeout(connecting)
      this.#lastError = undefined
    })
    session.on('error', (error: Error) => {
      this.#lastError = error
      forget()
    })
    session.on('goaway', forget)
    session.on('close', forget)
    session.unref()
    return session
  }
}

function pingOnce(session: ClientHttp2Session): void {
  if (session.closed || session.destroyed) return
  const late = setTimeout(() => session.destroy(new Error(`no answer to a ping after ${PING_TIMEOUT_MS} ms`)), PING_TIMEOUT_MS)
  late.unref()
  session.ping(() => clearTimeout(late))
}

async function headersOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    stream.once('response', resolve)
    stream.once('error', reject)
    stream.once('close', () => reject(new Error('the connection closed before an answer came')))
  })
}

async function bodyOf(stream: ClientHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > MAX_BODY_BYTES) throw new Error(`the answer is larger than ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const REASON_OF_CODE: Readonly<Record<number, StatusReason>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

/** The error that an answer with a failing code stands for. */
export function errorOf(code: number, body: string, retryAfter?: string): StatusError {
  const retryAfterSeconds = retryAfter && /^\d+$/.test(retryAfter) ? Number(retryAfter) : undefined
  try {
    const status = JSON.parse(body) as Status
    if (status.kind === 'Status')
      return new StatusError({
        code,
        ...status,
        ...(retryAfterSeconds !== undefined && { details: { ...status.details, retryAfterSeconds } }),
      })
  } catch {
    // Not every failure comes from an API server: a proxy's text is kept as the message.
  }
  const details = retryAfterSeconds === undefined ? undefined : { retryAfterSeconds }
  return newStatusError(code, REASON_OF_CODE[code] ?? '', body.trim() || `the server answered ${code}`, details)
}

interface ListBody {
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number }
  items: KubeObject[] | null
}

/** Items of typed lists come without kind and apiVersion; in caches every object has them. */
export function listOf(request: Pick<ResourceRequest, 'resource'>, body: ListBody): KubeList<KubeObject> {
  const { resource } = request
  const { resourceVersion = '', continue: next, remainingItemCount } = body.metadata
  const items = (body.items ?? []).map((item) => ({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...item }))
  return { resourceVersion, ...(next && { continue: next }), ...(remainingItemCount !== undefined && { remainingItemCount }), items }
}

interface ResourceListBody {
  resources?: { name: string; kind: string; namespaced: boolean; verbs: string[] }[]
}

function discoveredResources(group: string, version: string, { resources = [] }: ResourceListBody): DiscoveredResource[] {
  return resources
    .filter(({ name }) => !name.includes('/'))
    .map(({ name: resource, kind, namespaced, verbs }) => ({ group, version, resource, kind, namespaced, verbs }))
}

/** The events of a watch's bytes. An ERROR event is thrown. */
export async function* watchEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<WatchEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const text = decoder.decode(chunk, { stream: true })
    // A long line comes in many chunks: it is joined in vain until its end is there.
    const lines = text.includes('\n') ? (rest + text).split('\n') : [rest + text]
    rest = lines.pop() ?? ''
    if (rest.length > MAX_WATCH_LINE_CHARS) throw new Error(`a watch event is larger than ${MAX_WATCH_LINE_CHARS} characters`)
    for (const line of lines) if (line) yield eventOf(line)
  }
}

function eventOf(line: string): WatchEvent {
  const event = JSON.parse(line) as { type: string; object: KubeObject & Status }
  switch (event.type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type: event.type, object: event.object }
    case 'BOOKMARK':
      return { type: 'BOOKMARK', resourceVersion: event.object.metadata.resourceVersion }
    case 'ERROR':
      throw errorOf(event.object.code ?? 500, JSON.stringify(event.object))
    default:
      throw new Error(`watch event of unknown type ${event.type}`)
  }
}

export function createHttpsTransport(options: HttpsTransportOptions): HttpsTransport {
  const session = new Session(options)

  /** What went wrong below HTTP is told as the service being unavailable, with the cause. */
  function unreachable(error: unknown, asked: AbortSignal | undefined, limit: AbortSignal | undefined): unknown {
    if (asked?.aborted) return asked.reason
    if (error instanceof StatusError) return error
    const cause = session.lastError ?? (limit?.aborted ? limit.reason : error)
    const failure = newServiceUnavailable(
      `the API server at ${options.server} cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`,
    )
    failure.cause = cause
    return failure
  }

  function parsed(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch (error) {
      throw unreachable(error, undefined, undefined)
    }
  }

  const { clock = systemClock } = options
  const retrying = <T>(send: () => Promise<T>, signal?: AbortSignal): Promise<T> =>
    retryingAfter(send, { clock, ...(signal && { signal }) })

  /** The body of a good answer; throws what a failing one stands for. */
  async function exchange(headers: OutgoingHttpHeaders, body: string | undefined, asked: AbortSignal | undefined): Promise<string> {
    const signal = AbortSignal.any([AbortSignal.timeout(REQUEST_TIMEOUT_MS), ...(asked ? [asked] : [])])
    try {
      const stream = session.open(headers, signal)
      stream.end(body)
      const answer = await headersOf(stream)
      const text = (await bodyOf(stream)).toString()
      const code = Number(answer[constants.HTTP2_HEADER_STATUS])
      if (code >= 400) throw errorOf(code, text, answer['retry-after'])
      return text
    } catch (error) {
      throw unreachable(error, asked, signal)
    }
  }

  async function request(asked: ResourceRequest): Promise<unknown> {
    const body = asked.body === undefined ? undefined : JSON.stringify(asked.body)
    const headers = {
      [constants.HTTP2_HEADER_METHOD]: METHODS[asked.verb],
      [constants.HTTP2_HEADER_PATH]: requestPath(asked),
      ...(body !== undefined && { 'content-type': asked.patchType ?? 'application/json' }),
    }
    const text = await exchange(headers, body, asked.signal)
    const answer: unknown = text ? parsed(text) : undefined
    return asked.verb === 'list' ? listOf(asked, answer as ListBody) : answer
  }

  async function openWatch(asked: WatchRequest): Promise<ClientHttp2Stream> {
    const stream = session.open({ [constants.HTTP2_HEADER_METHOD]: 'GET', [constants.HTTP2_HEADER_PATH]: watchPath(asked) }, asked.signal)
    stream.end()
    const headers = await headersOf(stream)
    const code = Number(headers[constants.HTTP2_HEADER_STATUS])
    if (code >= 400) throw errorOf(code, (await bodyOf(stream)).toString(), headers['retry-after'])
    return stream
  }

  async function* watch(asked: WatchRequest): AsyncGenerator<WatchEvent> {
    try {
      const stream = await retrying(() => openWatch(asked), asked.signal)
      yield* watchEvents(stream as AsyncIterable<Uint8Array>)
    } catch (error) {
      if (asked.signal.aborted) return
      throw unreachable(error, undefined, undefined)
    }
  }

  async function discover(group: string, version: string, asked?: AbortSignal): Promise<DiscoveredResource[]> {
    const path = group ? `/apis/${group}/${version}` : `/api/${version}`
    const headers = { [constants.HTTP2_HEADER_METHOD]: 'GET', [constants.HTTP2_HEADER_PATH]: path }
    return discoveredResources(group, version, parsed(await exchange(headers, undefined, asked)) as ResourceListBody)
  }

  return {
    request: (asked) => retrying(() => request(asked), asked.signal),
    watch,
    discover: (group, version, signal) => retrying(() => discover(group, version, signal), signal),
    close: () => session.close(),
  }
}
