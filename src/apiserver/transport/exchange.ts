/**
 * One HTTP request and its answer, the same over HTTP/2 (stream API) and HTTP/1.1, so that nothing behind it knows which.
 */
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Readable, Writable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { newStatusError } from '../../api/status.ts'
import type { AuditEntry } from '../audit/audit.ts'

/** Upstream's limit for any request body. */
export const MAX_BODY_SIZE_BYTES = 3 * 1024 * 1024

export interface Exchange {
  readonly method: string
  /** Path and query as sent. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  /** Names and values as they came, one after the other. */
  readonly rawHeaders: readonly string[]
  readonly httpVersion: '1.1' | '2.0'
  readonly socket: TLSSocket
  /** Where per-connection facts (the certificate's user) are kept. */
  readonly connection: object
  readonly body: Readable
  /** Whether a body comes with the request, empty or not. */
  readonly hasBody: boolean
  /** All bytes that the request has announced were read, and its stream was left at that. */
  bodyIsWhole: boolean
  readonly remoteAddress: string
  /** Aborts when the client went away before the answer was complete. */
  readonly signal: AbortSignal
  readonly answered: boolean
  /** Each write to a streamed answer is a message. */
  readonly isWebSocket: boolean
  /** What is written down of the request; undefined where the policy does not want it. */
  audit: AuditEntry | undefined
  /** The answer's code and size so far, for the metrics. */
  readonly status: number
  readonly sentBytes: number
  /** Calls back when the client went away before the answer was complete, or the exchange is over. */
  onGone(callback: () => void): void
  /** Sets a header of the answer whatever it will be. */
  setHeader(name: string, value: string | string[]): void
  /** A whole answer. */
  respond(status: number, headers: OutgoingHttpHeaders, body?: Uint8Array | string): void
  /** Starts an answer of unknown length; what is written goes out at once. */
  stream(status: number, headers: OutgoingHttpHeaders): Writable
  /** Breaks off an answer that cannot be completed. */
  destroy(): void
}

export abstract class BaseExchange {
  protected readonly extraHeaders: OutgoingHttpHeaders = {}
  #abort: AbortController | undefined
  #gone = false
  #onGone: (() => void)[] = []
  status = 0
  sentBytes = 0
  bodyIsWhole = false
  audit: AuditEntry | undefined

  setHeader(name: string, value: string | string[]): void {
    this.extraHeaders[name] = value
  }

  get isWebSocket(): boolean {
    return false
  }

  /** Made when first asked for: most requests are over before anyone would. */
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController()
      if (this.#gone) this.#abort.abort()
    }
    return this.#abort.signal
  }

  onGone(callback: () => void): void {
    if (this.#gone) callback()
    else this.#onGone.push(callback)
  }

  protected clientGone(): void {
    this.#gone = true
    this.#abort?.abort()
    for (const callback of this.#onGone) callback()
    this.#onGone = []
  }

  protected sent(status: number, body?: Uint8Array | string): void {
    this.status = status
    this.sentBytes = body?.length ?? 0
    this.audit?.started(status)
  }
}

export class Http2Exchange extends BaseExchange implements Exchange {
  readonly method: string
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly httpVersion = '2.0'
  readonly #stream: ServerHttp2Stream

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]) {
    super()
    this.#stream = stream
    this.headers = headers
    this.rawHeaders = rawHeaders
    this.method = String(headers[':method'] ?? 'GET')
    this.target = String(headers[':path'] ?? '/')
    stream.on('error', () => {})
    stream.on('close', () => this.clientGone())
  }

  get socket(): TLSSocket {
    return this.#stream.session?.socket as TLSSocket
  }

  get connection(): object {
    return this.#stream.session ?? this
  }

  get body(): Readable {
    return this.#stream
  }

  get hasBody(): boolean {
    return !this.#stream.endAfterHeaders
  }

  get remoteAddress(): string {
    return this.#stream.session?.socket.remoteAddress ?? ''
  }

  get answered(): boolean {
    return this.#stream.headersSent
  }

  respond(status: number, headers: OutgoingHttpHeaders, body?: Uint8Array | string): void {
    const stream = this.#stream
    if (stream.destroyed || stream.closed || stream.headersSent) return
    this.sent(status, body)
    const head = { ':status': status, ...this.extraHeaders, ...headers }
    if (body === undefined || body.length === 0 || this.method === 'HEAD') {
      stream.respond(head, { endStream: true })
    } else {
      stream.respond(head)
      stream.end(body)
    }
    // A body that nobody read would keep the stream open. Where no more comes Node ends the stream by itself, after its last write.
    if (this.hasBody && !this.bodyIsWhole && !stream.readableEnded) stream.resume()
  }

  stream(status: number, headers: OutgoingHttpHeaders): Writable {
    this.sent(status)
    if (!this.#stream.destroyed && !this.#stream.closed) this.#stream.respond({ ':status': status, ...this.extraHeaders, ...headers })
    return this.#stream
  }

  destroy(): void {
    this.#stream.destroy()
  }
}

/** A request over HTTP/1.1, however it is answered. */
export abstract class BaseHttp1Exchange extends BaseExchange {
  readonly method: string
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly httpVersion = '1.1'
  readonly body: Readable
  readonly socket: TLSSocket

  constructor(request: IncomingMessage, socket: TLSSocket) {
    super()
    this.method = request.method ?? 'GET'
    this.target = originForm(request.url ?? '/')
    this.headers = request.headers
    this.rawHeaders = request.rawHeaders
    this.body = request
    this.socket = socket
  }

  get connection(): object {
    return this.socket
  }

  /** Without either header an HTTP/1.1 request has no body. */
  get hasBody(): boolean {
    return this.headers['transfer-encoding'] !== undefined || Number(this.headers['content-length'] ?? 0) > 0
  }

  get remoteAddress(): string {
    return this.socket.remoteAddress ?? ''
  }
}

export class Http1Exchange extends BaseHttp1Exchange implements Exchange {
  readonly #response: ServerResponse

  constructor(request: IncomingMessage, response: ServerResponse) {
    super(request, request.socket as TLSSocket)
    this.#response = response
    request.on('error', () => {})
    response.on('close', () => this.clientGone())
  }

  get answered(): boolean {
    return this.#response.headersSent
  }

  respond(status: number, headers: OutgoingHttpHeaders, body?: Uint8Array | string): void {
    const response = this.#response
    if (response.headersSent || response.destroyed) return
    this.sent(status, body)
    const length = body === undefined ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.length
    const sized = status === 204 || status === 304 ? {} : { 'content-length': length }
    response.writeHead(status, { ...this.extraHeaders, ...headers, ...sized })
    response.end(body)
    this.body.resume()
  }

  stream(status: number, headers: OutgoingHttpHeaders): Writable {
    this.sent(status)
    this.#response.writeHead(status, { ...this.extraHeaders, ...headers })
    this.#response.flushHeaders()
    return this.#response
  }

  destroy(): void {
    this.#response.destroy()
  }
}

/** A request's line may name the server, as clients of a proxy write it: what counts is the path. */
export function originForm(target: string): string {
  if (target.startsWith('/')) return target
  const origin = /^https?:\/\/[^/?#]*/i.exec(target)?.[0]
  if (origin === undefined) return target
  const rest = target.slice(origin.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

export function newBodyTooLarge(): Error {
  return newStatusError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${MAX_BODY_SIZE_BYTES}`)
}

/** The client went away before its body was whole. */
function newBodyBroken(): Error {
  return new DOMException('the request ended before its body', 'AbortError')
}

/**
 * The whole body; 413 beyond the limit, of which no more than the limit was kept. Of a body whose length was announced the end is
 * not waited for: Node destroys a stream that has been read to its end while the answer is being written, and makes an error, with
 * its stack, for each (docs/adr/0009).
 */
export function readBody(exchange: Exchange, limitBytes = MAX_BODY_SIZE_BYTES): Promise<Uint8Array> {
  const { headers, body } = exchange
  const announcedBytes = Number(headers['content-length'] ?? 0)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let sizeBytes = 0
    const stop = (): void => void body.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
    const onData = (chunk: Buffer): void => {
      sizeBytes += chunk.length
      if (sizeBytes <= limitBytes) {
        chunks.push(chunk)
        if (sizeBytes !== announcedBytes) return
        exchange.bodyIsWhole = true
        body.pause()
        return onEnd()
      }
      stop()
      // The answer still goes out on the stream.
      body.pause()
      reject(newBodyTooLarge())
    }
    const onEnd = (): void => {
      stop()
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, sizeBytes))
    }
    const onError = (error: Error): void => {
      stop()
      reject(error)
    }
    const onClose = (): void => onError(newBodyBroken())
    if (announcedBytes > limitBytes) reject(newBodyTooLarge())
    else if (exchange.bodyIsWhole || body.readableEnded) onEnd()
    else if (body.destroyed) onClose()
    else body.on('error', onError).on('close', onClose).on('end', onEnd).on('data', onData)
  })
}
