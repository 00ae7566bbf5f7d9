/**
 * A streamed answer over a WebSocket (RFC 6455), as upstream's wsstream sends logs and watches to clients that cannot read an
 * HTTP answer as it comes, browsers above all: what is written at once is one message, and the client's own messages are
 * passed over. Nothing but frames of the server's side, so no library is loaded for it.
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Writable } from 'node:stream'
import type { Duplex } from 'node:stream'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
const FINAL = 0x80
const MASKED = 0x80
const LENGTH_OF_16_BITS = 126
const LENGTH_OF_64_BITS = 127
const MAX_CONTROL_BYTES = 125
const NORMAL_CLOSURE = Buffer.from([0x03, 0xe8])
const VERSION = '13'
const BASE64_PROTOCOL = 'base64.binary.k8s.io'
const KNOWN_PROTOCOLS: readonly string[] = ['binary.k8s.io', BASE64_PROTOCOL]
/** Carries a bearer token: not a protocol, and not to be said back. */
const TOKEN_PREFIX = 'base64url.bearer.authorization.k8s.io.'

function words(header: string | undefined): string[] {
  return (header ?? '').split(',').flatMap((word) => word.trim() || [])
}

export function isWebSocketRequest({ connection, upgrade }: IncomingHttpHeaders): boolean {
  const upgrades = words(connection).some((word) => word.toLowerCase() === 'upgrade')
  return upgrades && upgrade?.toLowerCase() === 'websocket'
}

/** Why there will be no WebSocket, as golang.org/x/net/websocket writes it: without headers but those, on a connection that ends. */
export interface WebSocketRefusal {
  status: 400 | 403
  headers: Record<string, string>
  text: string
}

function offeredProtocols(header: string | undefined): string[] {
  const text = (header ?? '').trim()
  const all = text === '' ? [] : text.split(',').map((protocol) => protocol.trim())
  return all.filter((protocol) => !protocol.startsWith(TOKEN_PREFIX))
}

/** As Go reads the address of a page. */
const isOrigin = (text: string): boolean => text === '*' || text.startsWith('/') || URL.canParse(text)

const isLog = (contentType: string): boolean => contentType.startsWith('text/plain')

/** The protocol to speak, '' where none has a name, or why not. A log is text and takes one that it knows; a watch the only one there is. */
export function webSocketHandshake(headers: IncomingHttpHeaders, contentType: string): string | WebSocketRefusal {
  const refusal = (status: WebSocketRefusal['status'], text = ''): WebSocketRefusal => ({ status, headers: {}, text })
  if (!headers['sec-websocket-key']) return refusal(400, 'mismatch challenge/response')
  if (headers['sec-websocket-version'] !== VERSION)
    return { status: 400, headers: { 'Sec-WebSocket-Version': VERSION }, text: 'missing or bad WebSocket Version' }
  const offered = offeredProtocols(headers['sec-websocket-protocol'])
  if (isLog(contentType)) {
    if (offered.length === 0) return ''
    return offered.find((protocol) => protocol === '' || KNOWN_PROTOCOLS.includes(protocol)) ?? refusal(403)
  }
  // Only pages open a watch: whatever is none says where it comes from, too.
  if (!isOrigin(headers.origin ?? '')) return refusal(403)
  return offered.length > 1 ? refusal(400) : (offered[0] ?? '')
}

function frame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload
  const extra = length < LENGTH_OF_16_BITS ? 0 : length < 2 ** 16 ? 2 : 8
  const head = Buffer.alloc(2 + extra)
  head[0] = FINAL | opcode
  head[1] = extra === 0 ? length : extra === 2 ? LENGTH_OF_16_BITS : LENGTH_OF_64_BITS
  if (extra === 2) head.writeUInt16BE(length, 2)
  if (extra === 8) head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}

/** Reads what the client sends for its control frames; all else is passed over without being kept. */
class ControlFrames {
  readonly #onFrame: (opcode: number, payload: Buffer) => void
  #rest: Buffer = Buffer.alloc(0)
  #skip = 0n

  constructor(onFrame: (opcode: number, payload: Buffer) => void) {
    this.#onFrame = onFrame
  }

  push(chunk: Buffer): void {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    while (this.#take());
  }

  #take(): boolean {
    if (this.#skip > 0n) {
      const skipped = this.#skip < BigInt(this.#rest.length) ? Number(this.#skip) : this.#rest.length
      this.#skip -= BigInt(skipped)
      this.#rest = this.#rest.subarray(skipped)
      return skipped > 0
    }
    const [first, second] = this.#rest
    if (first === undefined || second === undefined) return false
    const short = second & ~MASKED
    const lengthBytes = short === LENGTH_OF_64_BITS ? 8 : short === LENGTH_OF_16_BITS ? 2 : 0
    const maskAt = 2 + lengthBytes
    const bodyAt = maskAt + (second & MASKED ? 4 : 0)
    if (this.#rest.length < bodyAt) return false
    const opcode = first & 0x0f
    if (opcode < OPCODE.close) {
      this.#skip = lengthBytes === 8 ? this.#rest.readBigUInt64BE(2) : BigInt(lengthBytes === 2 ? this.#rest.readUInt16BE(2) : short)
      this.#rest = this.#rest.subarray(bodyAt)
      return true
    }
    const end = bodyAt + Math.min(short, MAX_CONTROL_BYTES)
    if (this.#rest.length < end) return false
    const mask = this.#rest.subarray(maskAt, bodyAt)
    const payload = Buffer.from(this.#rest.subarray(bodyAt, end)).map((byte, at) => byte ^ (mask[at % 4] ?? 0))
    this.#rest = this.#rest.subarray(end)
    this.#onFrame(opcode, Buffer.from(payload))
    return true
  }
}

export interface WebSocketAnswerOptions {
  /** The request's. */
  headers: IncomingHttpHeaders
  /** Of the handshake. */
  protocol: string
  /** What came behind the request. */
  head: Buffer
  contentType: string
  writeHead(status: number, headers: Record<string, string>): void
}

/** Takes the connection over; the result's writes are its messages. */
export function webSocketAnswer(socket: Duplex, { headers, protocol, head, contentType, writeHead }: WebSocketAnswerOptions): Writable {
  const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${GUID}`).digest('base64')
  writeHead(101, {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-accept': accept,
    ...(protocol && { 'sec-websocket-protocol': protocol }),
  })
  // A watch speaks as it always does, whatever the protocol is called.
  const inBase64 = protocol === BASE64_PROTOCOL && isLog(contentType)
  const opcode = inBase64 || contentType.startsWith('application/json') ? OPCODE.text : OPCODE.binary
  const messages = new Writable({
    write(chunk: Buffer, _, done) {
      socket.write(frame(opcode, inBase64 ? Buffer.from(chunk.toString('base64')) : chunk), done)
    },
    final(done) {
      if (!socket.writableEnded) socket.end(frame(OPCODE.close, NORMAL_CLOSURE))
      done()
    },
    destroy(error, done) {
      if (error) socket.destroy()
      done(error)
    },
  })
  const frames = new ControlFrames((kind, payload) => {
    if (socket.writableEnded) return
    if (kind === OPCODE.ping) socket.write(frame(OPCODE.pong, payload))
    if (kind === OPCODE.close) socket.end(frame(OPCODE.close, payload))
  })
  socket.on('data', (chunk: Buffer) => frames.push(chunk))
  socket.on('close', () => messages.destroy())
  if (head.length > 0) frames.push(head)
  return messages
}
