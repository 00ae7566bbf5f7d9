/**
 * Passes a request on to another HTTP server and its answer back: streamed both ways, redirects and all else as they come.
 * An upgrade is passed on too; only when the other side has agreed to it are the two connections joined, and any other
 * answer is relayed as a plain one with the backend connection closed (CVE-2018-1002105).
 */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import type { Duplex } from 'node:stream'
import { newServiceUnavailable, newBadRequest } from '../../api/status.ts'
import type { Exchange } from '../transport/exchange.ts'
import { UpgradeExchange } from '../transport/upgradeExchange.ts'
import type { Target } from './kubelet.ts'

/** Imported as a module, node:http loads fetch and WebSocket with it (docs/adr/0009). */
const { request: httpRequest } = process.getBuiltinModule('node:http')

export interface ForwardOptions {
  exchange: Exchange
  target: Target
  /** Path and query at the target. */
  path: string
  signal: AbortSignal
  /** The user's own `Host` is not the target's. */
  headers?: OutgoingHttpHeaders
  /** Changes the answer's headers. */
  rewrite?: (headers: IncomingHttpHeaders) => OutgoingHttpHeaders
}

const CONNECT_TIMEOUT_MS = 10_000
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])
/** What identified the user to this server is nobody else's business. */
const CREDENTIALS = /^(authorization|impersonate-.*|x-remote-.*)$/
const WEBSOCKET_TOKEN = 'base64url.bearer.authorization.k8s.io.'

function forwardedHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const result: OutgoingHttpHeaders = {}
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(':') || HOP_BY_HOP.has(name) || CREDENTIALS.test(name) || name === 'host' || value === undefined) continue
    result[name] = value
  }
  const protocols = headers['sec-websocket-protocol']
  if (protocols) {
    result['sec-websocket-protocol'] = String(protocols)
      .split(',')
      .map((p) => p.trim())
      .filter((p) => !p.startsWith(WEBSOCKET_TOKEN))
      .join(', ')
  }
  return result
}

function answerHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)))
}

function open({ exchange, target, path, headers }: ForwardOptions, upgrade: string | undefined): ClientRequest {
  const send = target.tls ? httpsRequest : httpRequest
  const request = send({
    host: target.host,
    port: target.port,
    method: exchange.method,
    path,
    // An upgraded connection is never given back to the pool.
    ...(upgrade ? { agent: false as const, ...(target.agent && credentialsOf(target)) } : target.agent && { agent: target.agent }),
    headers: {
      ...forwardedHeaders(exchange.headers),
      host: target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`,
      'x-forwarded-for': exchange.remoteAddress,
      ...headers,
      ...(upgrade && { connection: 'Upgrade', upgrade }),
    },
    timeout: CONNECT_TIMEOUT_MS,
  })
  // The timeout is for reaching the other side; what it then says may take as long as it takes.
  request.on('timeout', () => {
    if (!request.socket || request.socket.connecting)
      request.destroy(new Error(`no connection to ${target.host}:${target.port} after ${CONNECT_TIMEOUT_MS} ms`))
  })
  return request
}

function credentialsOf({ agent }: Target): object {
  const { key, cert, ca, checkServerIdentity } = agent?.options ?? {}
  return { key, cert, ca, checkServerIdentity }
}

function unreachable(target: Target, cause: Error): Error {
  const failure = newServiceUnavailable(`error trying to reach service: dial tcp ${target.host}:${target.port}: ${cause.message}`)
  failure.cause = cause
  return failure
}

/** The answer's head, or the other side's agreement to an upgrade. */
function answerOf(
  request: ClientRequest,
  target: Target,
): Promise<{ response: IncomingMessage; upgraded?: { socket: Duplex; head: Buffer } }> {
  return new Promise((resolve, reject) => {
    request.once('response', (response) => resolve({ response }))
    request.once('upgrade', (response: IncomingMessage, socket: Duplex, head: Buffer) => resolve({ response, upgraded: { socket, head } }))
    request.once('error', (error) => reject(unreachable(target, error)))
  })
}

async function relay(exchange: Exchange, response: IncomingMessage, options: ForwardOptions): Promise<void> {
  const headers = options.rewrite?.(response.headers) ?? response.headers
  const out = exchange.stream(response.statusCode ?? 502, answerHeaders(headers as IncomingHttpHeaders))
  await pipeline(response, out, { signal: options.signal }).catch(() => exchange.destroy())
}

function join(exchange: UpgradeExchange, response: IncomingMessage, upgraded: { socket: Duplex; head: Buffer }): Promise<void> {
  const { socket: backend, head: early } = upgraded
  const { socket: client, head } = exchange.take(101)
  const lines = ['HTTP/1.1 101 Switching Protocols']
  for (let i = 0; i + 1 < response.rawHeaders.length; i += 2) lines.push(`${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}`)
  client.write(`${lines.join('\r\n')}\r\n\r\n`)
  if (early.length > 0) client.write(early)
  if (head.length > 0) backend.write(head)
  client.setTimeout(0)
  return new Promise((resolve) => {
    const close = (): void => {
      client.destroy()
      backend.destroy()
      resolve()
    }
    for (const side of [client, backend]) side.on('error', close).on('close', close)
    client.pipe(backend)
    backend.pipe(client)
  })
}

export function upgradeProtocol(exchange: Exchange): string | undefined {
  if (!(exchange instanceof UpgradeExchange)) return undefined
  return exchange.headers.upgrade
}

/** Forwards one request to its end. Throws a StatusError where the target cannot be reached. */
export async function forward(options: ForwardOptions): Promise<void> {
  const { exchange, target, signal } = options
  const upgrade = upgradeProtocol(exchange)
  const request = open(options, upgrade)
  const onAbort = (): void => void request.destroy()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (upgrade) request.end()
    else exchange.body.pipe(request)
    const { response, upgraded } = await answerOf(request, target)
    if (upgraded && exchange instanceof UpgradeExchange) await join(exchange, response, upgraded)
    else if (upgraded) throw newBadRequest('the backend upgraded a connection that nobody asked it to upgrade')
    else await relay(exchange, response, options)
  } finally {
    signal.removeEventListener('abort', onAbort)
    if (upgrade) request.destroy()
  }
}
