/**
 * The one TLS port of the API server: HTTP/2 for client-go and kubectl (Node's stream API), HTTP/1.1 for curl and for the
 * upgrades of exec, attach and port-forward. Client certificates are asked for and judged by authentication, not by TLS,
 * since a bearer token must work without one.
 */
import { createSecureServer } from 'node:http2'
import type { Http2SecureServer, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { newMethodNotAllowed } from '../../api/status.ts'
import { Http1Exchange, Http2Exchange } from './exchange.ts'
import type { Exchange } from './exchange.ts'

export interface UpgradeRequest {
  request: IncomingMessage
  socket: TLSSocket
  /** What the client sent after the request's head. */
  head: Buffer
}

export interface ListenerOptions {
  tls: { key: string; cert: string; clientCa: string; requestHeaderCa?: string }
  onRequest: (exchange: Exchange) => void
  onUpgrade: (upgrade: UpgradeRequest) => void
}

/** kubectl and client-go cancel watches in bursts; Node's default of 1,000 resets ends their whole session. */
const STREAM_RESET = { burst: 100_000, perSecond: 20_000 }
const MAX_CONCURRENT_STREAMS = 1_000
/** What one connection's answers may hold before its next stream is refused: a client that lists all of a large cluster goes on asking. */
const MAX_SESSION_MEMORY_MB = 256
/** Go's own limit: the command of an exec stands in the request's line. */
const MAX_HEADER_BYTES = 1024 * 1024
/** Node would drop what comes after 2,000. */
const MAX_HEADERS = 20_000
const LONGEST_METHOD_BYTES = 100
const REQUEST_LINE = /^[\w!#$%&'*+.^`|~-]+ [/*]/
/** Node hands it on to its HTTP/1.1 half; its types do not know. */
const HTTP1_LIMITS: object = { maxHeaderSize: MAX_HEADER_BYTES }
/** A client that opened a connection and says nothing. */
const HANDSHAKE_TIMEOUT_MS = 30_000
const HEADERS_TIMEOUT_MS = 32_000
const DRAIN_TIMEOUT_MS = 5_000
const IDLE_AT_CLOSE_MS = 200

/** Node's parser knows the methods of HTTP; what a client makes up is a 405 like any other. The other refusals are Go's. */
function answerUnparsable(error: Error & { code?: string; rawPacket?: Buffer }, socket: Duplex): void {
  if (!socket.writable) return
  const answer = (head: string, contentType: string, body: string): unknown =>
    socket.end(`HTTP/1.1 ${head}\r\ncontent-type: ${contentType}\r\nconnection: close\r\n\r\n${body}`)
  const text = (status: string): unknown => answer(status, 'text/plain; charset=utf-8', status)
  const begun = error.rawPacket?.subarray(0, LONGEST_METHOD_BYTES).toString('latin1') ?? ''
  if (error.code === 'HPE_INVALID_METHOD' && REQUEST_LINE.test(begun))
    answer('405 Method Not Allowed', 'application/json', `${JSON.stringify(newMethodNotAllowed().status)}\n`)
  else if (error.code === 'HPE_HEADER_OVERFLOW') text('431 Request Header Fields Too Large')
  else text('400 Bad Request')
}

export class Listener {
  readonly #server: Http2SecureServer
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #sockets = new Set<Socket>()
  readonly #http1 = new Set<TLSSocket>()

  constructor(options: ListenerOptions) {
    const { tls, onRequest, onUpgrade } = options
    const server = createSecureServer({
      key: tls.key,
      cert: tls.cert,
      ca: tls.requestHeaderCa ? [tls.clientCa, tls.requestHeaderCa] : [tls.clientCa],
      minVersion: 'TLSv1.2',
      allowHTTP1: true,
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      ...HTTP1_LIMITS,
      maxSessionMemory: MAX_SESSION_MEMORY_MB,
      streamResetBurst: STREAM_RESET.burst,
      streamResetRate: STREAM_RESET.perSecond,
      settings: { maxConcurrentStreams: MAX_CONCURRENT_STREAMS, initialWindowSize: 256 * 1024, maxHeaderListSize: MAX_HEADER_BYTES },
    })
    server.on('request', (request, response) => {
      onRequest(new Http1Exchange(request as unknown as IncomingMessage, response as unknown as ServerResponse))
    })
    // A 'request' listener makes Node install its HTTP/1 look-alike for HTTP/2 streams; these go their own, faster way.
    server.removeAllListeners('stream')
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, rawHeaders: string[]) =>
      onRequest(new Http2Exchange(stream, headers, rawHeaders)),
    )
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      onUpgrade({ request, socket: socket as TLSSocket, head }),
    )
    server.on('session', (session) => {
      this.#sessions.add(session)
      session.on('close', () => this.#sessions.delete(session))
      session.on('error', () => {})
    })
    server.on('connection', (socket: Socket) => {
      socket.setNoDelay(true)
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => {})
    })
    server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') return
      this.#http1.add(socket)
      socket.on('close', () => this.#http1.delete(socket))
    })
    server.on('tlsClientError', () => {})
    server.on('clientError', answerUnparsable)
    Object.assign(server, {
      headersTimeout: HEADERS_TIMEOUT_MS,
      maxHeadersCount: MAX_HEADERS,
      requestTimeout: 0,
      keepAliveTimeout: 120_000,
    })
    this.#server = server
  }

  /** Resolves with the port once the socket listens. */
  listen(at: { host: string; port: number }): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: at.host, port: at.port, backlog: 1024 }, () => {
        this.#server.off('error', reject)
        const address = this.#server.address()
        resolve(typeof address === 'object' && address ? address.port : at.port)
      })
    })
  }

  /** Takes no new connections, lets running requests end for a while, then closes what is left. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const session of this.#sessions) session.close()
    const cut = setTimeout(() => {
      for (const session of this.#sessions) session.destroy()
      for (const socket of this.#sockets) socket.destroy()
    }, DRAIN_TIMEOUT_MS)
    // A connection that is kept alive would hold the server open for ever.
    for (const socket of this.#http1) socket.setTimeout(IDLE_AT_CLOSE_MS, () => socket.destroy())
    await closed
    clearTimeout(cut)
  }
}
