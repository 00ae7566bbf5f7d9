/**
 * An HTTP/1.1 request that asks for another protocol. Until a handler takes the socket it can be answered like any other
 * request; the connection closes after such an answer.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import { PassThrough, Writable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { BaseHttp1Exchange } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import type { UpgradeRequest } from './listener.ts'
import { isWebSocketRequest, webSocketAnswer, webSocketHandshake } from './webSocketAnswer.ts'

/** Imported as a module, node:http loads fetch and WebSocket with it (docs/adr/0009). */
const { STATUS_CODES } = process.getBuiltinModule('node:http')

export class UpgradeExchange extends BaseHttp1Exchange implements Exchange {
  readonly #head: Buffer
  #answered = false

  constructor({ request, socket, head }: UpgradeRequest) {
    super(request, socket)
    this.#head = head
    socket.on('error', () => {})
    socket.on('close', () => this.clientGone())
  }

  get answered(): boolean {
    return this.#answered
  }

  /** Hands the raw connection over, with what the client has already sent on it; `status` is for the metrics. */
  take(status: number): { socket: TLSSocket; head: Buffer } {
    this.#answered = true
    this.sent(status)
    return { socket: this.socket, head: this.#head }
  }

  respond(status: number, headers: OutgoingHttpHeaders, body?: Uint8Array | string): void {
    if (this.#answered || this.socket.destroyed) return
    this.#answered = true
    this.sent(status, body)
    const length = body === undefined ? 0 : Buffer.byteLength(body)
    this.socket.write(this.#headText(status, { ...headers, 'content-length': length }))
    this.socket.end(body ?? '')
  }

  override get isWebSocket(): boolean {
    return isWebSocketRequest(this.headers)
  }

  stream(status: number, headers: OutgoingHttpHeaders): Writable {
    this.#answered = true
    if (this.isWebSocket && status === 200) return this.#webSocket(String(headers['content-type'] ?? ''))
    this.sent(status)
    this.socket.write(this.#headText(status, headers))
    const through = new PassThrough()
    through.pipe(this.socket)
    return through
  }

  #webSocket(contentType: string): Writable {
    const protocol = webSocketHandshake(this.headers, contentType)
    if (typeof protocol !== 'string') {
      this.sent(protocol.status)
      this.socket.end(headText(protocol.status, protocol.headers) + protocol.text)
      return new Writable({ write: (_chunk, _encoding, done) => done() })
    }
    this.sent(101)
    const writeHead = (code: number, more: OutgoingHttpHeaders): void => void this.socket.write(headText(code, more))
    return webSocketAnswer(this.socket, { headers: this.headers, protocol, head: this.#head, contentType, writeHead })
  }

  destroy(): void {
    this.socket.destroy()
  }

  #headText(status: number, headers: OutgoingHttpHeaders): string {
    return headText(status, { ...this.extraHeaders, connection: 'close', ...headers })
  }
}

function headText(status: number, headers: OutgoingHttpHeaders): string {
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`))
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`
}
