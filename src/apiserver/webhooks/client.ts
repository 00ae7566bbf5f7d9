/**
 * The HTTPS client to webhooks: admission, and conversion of custom resources (k8s.io/apiserver/pkg/util/webhook). It verifies
 * the server's certificate against the webhook's own bundle, follows no redirects (CVE-2020-8561), reads no more than a named
 * number of bytes, and keeps connections. What goes wrong is told as upstream's client tells it, which is Go's: people look
 * for `connection refused` and `certificate signed by unknown authority`. HTTP/1.1 as upstream, so that calls spread over
 * the endpoints of a service.
 */
import { Agent, request as httpsRequest } from 'node:https'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { posix } from 'node:path'
import type { WebhookClientConfig } from '../../api/kinds/admissionregistration/v1.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import type { TypeMeta } from '../../api/codec/json.ts'
import type { JsonObject } from '../../api/resource.ts'
import { retryAfterSeconds, reviewOf } from './answers.ts'
import type { Answer } from './answers.ts'
import { WebhookCallError, bodyFailure, connectionFailure } from './callErrors.ts'
import { ConnectionTurns } from './connectionTurns.ts'
import type { ServiceAddress, ServiceResolver } from './serviceResolver.ts'
import { TrustedRoots, checkIdentity } from './tls.ts'

export interface WebhookCall {
  /** `url`, or `service` (its port 443 unless given); `caBundle` is base64 as in the API, and without it the system's roots count. */
  clientConfig: WebhookClientConfig
  /** The review: what is answered is of its kind. */
  body: TypeMeta & Readonly<Record<string, unknown>>
  timeoutMs: number
  signal: AbortSignal
  /** Tells the webhook in the query how long it has, as admission does. */
  announceTimeout?: boolean
  /** MAX_ANSWER_BYTES unless given. */
  maxAnswerBytes?: number
}

/** Enough for the patch of an object of the largest size, in base64. */
export const MAX_ANSWER_BYTES = 12 * 1024 * 1024
const SERVICE_PORT = 443
/** How often a webhook may ask to be called again later. */
const MAX_RETRIES = 10
const MAX_CONNECTIONS = 512
const MAX_IDLE_CONNECTIONS_PER_HOST = 64
const IDLE_TIMEOUT_MS = 90_000

interface Destination {
  /** As shown in errors. */
  url: string
  path: string
  /** `host:port` of the Host header. */
  authority: string
  serverName: string
  locate(): ServiceAddress
}

type EndReason = 'canceled' | 'timeout' | undefined

interface Sending {
  call: WebhookCall
  destination: Destination
  ca: readonly string[] | undefined
  bytes: Buffer
  time: CallTime
  signal: AbortSignal
  ended(): EndReason
}

class CallTime {
  readonly #abort = new AbortController()
  readonly #timeoutMs: number
  #timer: NodeJS.Timeout | undefined
  #late: NodeJS.Immediate | undefined

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Aborts when it is up. */
  get over(): AbortSignal {
    return this.#abort.signal
  }

  start(): void {
    // What has come in time is read first: timers come before what is to be read, and the server may have been busy.
    this.#timer ??= setTimeout(() => (this.#late = setImmediate(() => this.#abort.abort())), this.#timeoutMs)
  }

  clear(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#late)
  }
}

export class WebhookClient {
  readonly #resolve: ServiceResolver
  readonly #clock: Clock
  readonly #roots = new TrustedRoots()
  /** By host, port and name. */
  readonly #turns = new Map<string, ConnectionTurns>()
  readonly #agent = new Agent({
    keepAlive: true,
    maxTotalSockets: MAX_CONNECTIONS,
    maxFreeSockets: MAX_IDLE_CONNECTIONS_PER_HOST,
    timeout: IDLE_TIMEOUT_MS,
    ALPNProtocols: ['http/1.1'],
    // Of a request, it would keep the connection from being used again.
    checkServerIdentity: checkIdentity,
  })

  constructor(options: { resolver: ServiceResolver; clock: Clock }) {
    this.#resolve = options.resolver
    this.#clock = options.clock
  }

  /**
   * Posts `body` and answers the review of a 2xx answer.
   * @throws WebhookCallError, its message in upstream's words: what upstream writes behind `failed calling webhook "x": `.
   */
  async call(call: WebhookCall): Promise<JsonObject> {
    const destination = this.#destination(call)
    const ca = this.#roots.of(call.clientConfig.caBundle)
    const time = new CallTime(call.timeoutMs)
    try {
      return await this.#post(call, destination, ca, time)
    } finally {
      time.clear()
    }
  }

  async #post(call: WebhookCall, destination: Destination, ca: readonly string[] | undefined, time: CallTime): Promise<JsonObject> {
    const signal = AbortSignal.any([call.signal, time.over])
    const ended = (): EndReason => (call.signal.aborted ? 'canceled' : time.over.aborted ? 'timeout' : undefined)
    const bytes = Buffer.from(JSON.stringify(call.body))
    for (let retries = 0; ; retries++) {
      const answer = await this.#exchange({ call, destination, ca, bytes, time, signal, ended })
      const waitSeconds = retries < MAX_RETRIES ? retryAfterSeconds(answer) : undefined
      if (waitSeconds === undefined) return reviewOf(answer, call.body)
      await sleep(waitSeconds * 1_000, undefined, { signal }).catch((error: Error) => {
        throw connectionFailure(destination.url, undefined, error, ended())
      })
    }
  }

  async #exchange(sending: Sending): Promise<Answer> {
    const { call, destination, signal, ended } = sending
    for (;;) {
      const request = await this.#openInTurn(sending)
      try {
        const response = await answerOf(request, sending.bytes)
        const body = await readBody(response, call.maxAnswerBytes ?? MAX_ANSWER_BYTES, ended)
        return { code: response.statusCode ?? 0, headers: response.headers, body }
      } catch (error) {
        // The other side may close an idle connection in the moment that it is used again. A call that it may have seen is not made twice.
        if (request.reusedSocket && !request.writableEnded && isClosed(error) && !signal.aborted) continue
        if (error instanceof WebhookCallError) throw error
        throw connectionFailure(destination.url, request, error as Error, ended())
      } finally {
        this.#turns.get(turnsOf(destination))?.freed()
      }
    }
  }

  /** The webhook's time begins with its first turn: what waits for the server itself is not slow. */
  async #openInTurn({ destination, ca, bytes, time, signal }: Sending): Promise<ClientRequest> {
    const key = turnsOf(destination)
    const turns = this.#turns.get(key) ?? new ConnectionTurns(this.#clock)
    this.#turns.set(key, turns)
    await turns.take(signal)
    time.start()
    try {
      const request = this.#open(destination, ca, bytes, signal)
      turns.opened(request)
      request.once('close', () => turns.isIdle && this.#turns.delete(key))
      return request
    } catch (error) {
      turns.skipped()
      throw error
    }
  }

  /** Closes the connections. */
  close(): void {
    this.#agent.destroy()
  }

  #destination({ clientConfig, announceTimeout, timeoutMs }: WebhookCall): Destination {
    const query = announceTimeout ? `?timeout=${Math.ceil(timeoutMs / 1_000)}s` : ''
    const { service, url } = clientConfig
    if (service) {
      const { name, namespace, port = SERVICE_PORT } = service
      const path = `${cleanPath(service.path ?? '')}${query}`
      const serverName = `${name}.${namespace}.svc`
      const authority = `${serverName}:${port}`
      return { url: `https://${authority}${path}`, path, authority, serverName, locate: () => this.#resolve(namespace, name, port) }
    }
    if (!url) throw new WebhookCallError('config', 'webhook configuration must have either service or URL')
    const parsed = URL.parse(url)
    if (parsed?.protocol !== 'https:') throw new WebhookCallError('config', `Unparsable URL: parse ${JSON.stringify(url)}: invalid URI`)
    const path = `${cleanPath(parsed.pathname)}${query}`
    const host = parsed.hostname.replace(/^\[|\]$/g, '')
    const port = parsed.port === '' ? SERVICE_PORT : Number(parsed.port)
    return { url: `https://${parsed.host}${path}`, path, authority: parsed.host, serverName: host, locate: () => ({ host, port }) }
  }

  #open(destination: Destination, ca: readonly string[] | undefined, bytes: Buffer, signal: AbortSignal): ClientRequest {
    const { url, path, authority, serverName, locate } = destination
    let address: ServiceAddress
    try {
      address = locate()
    } catch (error) {
      throw new WebhookCallError('call', `Post ${JSON.stringify(url)}: ${(error as Error).message}`, { cause: error })
    }
    return httpsRequest({
      method: 'POST',
      host: address.host,
      port: address.port,
      path,
      ...(isIP(serverName) === 0 && { servername: serverName }),
      agent: this.#agent,
      ...(ca && { ca: [...ca] }),
      allowPartialTrustChain: true,
      minVersion: 'TLSv1.2',
      headers: {
        host: authority,
        accept: 'application/json, */*',
        'content-type': 'application/json',
        'content-length': bytes.length,
        'user-agent': 'kube-apiserver-admission',
      },
      signal,
    })
  }
}

const turnsOf = ({ authority, serverName }: Destination): string => `${authority} ${serverName}`

/** As Go cleans paths: absolute, without empty segments and dots. */
const cleanPath = (path: string): string => posix.resolve('/', path)

const isClosed = (error: unknown): boolean => ['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')

function answerOf(request: ClientRequest, bytes: Buffer): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
    // Errors after the answer's head come through the answer.
    request.on('error', () => {})
    request.once('socket', () => {
      if (request.reusedSocket) afterReading(() => !request.destroyed && request.end(bytes))
      else request.end(bytes)
    })
  })
}

/** Once what has come in meanwhile is read, the other side's farewell to a kept connection among it. */
const afterReading = (next: () => void): void => void setImmediate(() => setImmediate(next))

async function readBody(response: IncomingMessage, maxBytes: number, ended: () => EndReason): Promise<Buffer> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  try {
    // Leaving the loop early destroys the connection.
    for await (const chunk of response as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length
      if (sizeBytes > maxBytes) throw new WebhookCallError('call', `the answer is larger than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof WebhookCallError) throw error
    throw bodyFailure(error as Error, ended())
  }
  return Buffer.concat(chunks)
}
