/**
 * Passes a request on to another HTTP server and its answer back: streamed both ways, redirects and all else as they come.
 * An upgrade is passed on too; only when the other side has agreed to it are the two connections joined, and any other
 * answer is relayed as a plain one with the backend connection closed (CVE-2018-1002105).
 */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import type { Duplex } from 'node:stream'
import { newServiceUnavailable, newBadRequest, newStatusError } from '../../api/status.ts'
import { textOf } from '../webhooks/callErrors.ts'
import type { Exchange } from '../transport/exchange.ts'
import { UpgradeExchange } from '../transport/upgradeExchange.ts'
import type { Target } from './kubelet.ts'
import { htmlStages, rewriteUrl } from './rewrite.ts'

/** Imported as a module, node:http loads fetch and WebSocket with it (docs/adr/0009). */
const { request: httpRequest } = process.getBuiltinModule('node:http')

export interface ForwardOptions {
  exchange: Exchange
  target: Target
  /** Path and query at the target. */
  path: string
  signal: AbortSignal
  headers?: OutgoingHttpHeaders
  /** The `Host` that the target is told; its own address where none is given. */
  host?: string
  /** Where the target's root is found on this server: its links are led there. */
  prefix?: string
  /** Redirects are the client's to follow, or nobody's (CVE-2022-3172). */
  redirects?: 'pass' | 'refuse'
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
  // This server has taken the body upon itself.
  'expect',
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

function hostPort({ host, port }: Target): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function open(options: ForwardOptions, upgrade: string | undefined): ClientRequest {
  const { exchange, target, path, headers } = options
  const send = target.tls ? httpsRequest : httpRequest
  const forwardedFor = exchange.headers['x-forwarded-for']
  const unsized = exchange.hasBody && exchange.headers['content-length'] === undefined
  const request = send({
    host: target.host,
    port: target.port,
    method: exchange.method,
    path,
    // An upgraded connection is never given back to the pool.
    ...(upgrade ? { agent: false as const, ...(target.agent && credentialsOf(target)) } : target.agent && { agent: target.agent }),
    headers: {
      ...forwardedHeaders(exchange.headers),
      host: options.host ?? hostPort(target),
      'x-forwarded-for': forwardedFor ? `${String(forwardedFor)}, ${exchange.remoteAddress}` : exchange.remoteAddress,
      ...headers,
      // Not every method has a body to Node: one without its length would be taken for the next request.
      ...(unsized && !upgrade && { 'transfer-encoding': 'chunked' }),
      ...(upgrade && { connection: 'Upgrade', upgrade }),
    },
    timeout: CONNECT_TIMEOUT_MS,
  })
  // The timeout is for reaching the other side; what it then says may take as long as it takes.
  request.on('timeout', () => {
    if (!request.socket || request.socket.connecting) request.destroy(new Error(`dial tcp ${hostPort(target)}: i/o timeout`))
  })
  return request
}

function credentialsOf({ agent }: Target): object {
  const options = agent?.options ?? {}
  const names = ['key', 'cert', 'ca', 'servername', 'rejectUnauthorized', 'checkServerIdentity'] as const
  return Object.fromEntries(names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])))
}

function unreachable(cause: Error, request: ClientRequest): Error {
  const failure = newServiceUnavailable(`error trying to reach service: ${textOf(cause, request)}`)
  failure.cause = cause
  return failure
}

interface Answer {
  response: IncomingMessage
  upgraded?: { socket: Duplex; head: Buffer }
}

/** The answer's head, or the other side's agreement to an upgrade. */
function answerOf(request: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.once('response', (response) => resolve({ response }))
    request.once('upgrade', (response: IncomingMessage, socket: Duplex, head: Buffer) => resolve({ response, upgraded: { socket, head } }))
    request.once('error', reject)
  })
}

const REDIRECT_REFUSED = 'the backend attempted to redirect this request, which is not permitted'

async function relay(response: IncomingMessage, options: ForwardOptions): Promise<void> {
  const { exchange, target, prefix, signal } = options
  const status = response.statusCode ?? 502
  const headers = answerHeaders(response.headers)
  const { location } = response.headers
  if (options.redirects === 'refuse' && status >= 300 && status <= 399 && location) {
    response.destroy()
    exchange.respond(502, { 'content-type': 'text/plain; charset=utf-8' }, REDIRECT_REFUSED)
    return
  }
  const at = prefix === undefined ? undefined : { prefix, hosts: [hostPort(target), options.host ?? ''] }
  if (at && location) headers['location'] = rewriteUrl(location, at)
  const hasBody = exchange.method !== 'HEAD' && status !== 204 && status !== 304
  const stages = at && !location && hasBody ? htmlStages(response.headers['content-type'], response.headers['content-encoding'], at) : []
  if (stages.length > 0) delete headers['content-length']
  if (!hasBody) {
    response.resume()
    exchange.stream(status, headers).end()
    return
  }
  await pipeline([response, ...stages, exchange.stream(status, headers)], { signal }).catch(() => exchange.destroy())
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

/** A pooled connection may have been closed by the other side just before: what has no body may be asked again. */
function mayAskAgain({ exchange }: ForwardOptions, request: ClientRequest, error: Error & { code?: string }): boolean {
  return !exchange.hasBody && request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}

async function answered(options: ForwardOptions, upgrade: string | undefined): Promise<Answer & { request: ClientRequest }> {
  const { exchange, signal } = options
  for (;;) {
    const request = open(options, upgrade)
    const onAbort = (): void => void request.destroy()
    signal.addEventListener('abort', onAbort, { once: true })
    request.once('close', () => signal.removeEventListener('abort', onAbort))
    if (upgrade || !exchange.hasBody) request.end()
    else exchange.body.pipe(request)
    try {
      return { request, ...(await answerOf(request)) }
    } catch (cause) {
      const error = cause as Error
      if (!signal.aborted && mayAskAgain(options, request, error)) continue
      throw signal.aborted ? (signal.reason as Error) : unreachable(error, request)
    }
  }
}

/** Forwards one request to its end. Throws a StatusError where the target cannot be reached. */
export async function forward(options: ForwardOptions): Promise<void> {
  const { exchange } = options
  const upgrade = upgradeProtocol(exchange)
  const { request, response, upgraded } = await answered(options, upgrade)
  try {
    if (upgraded && exchange instanceof UpgradeExchange) await join(exchange, response, upgraded)
    else if (upgraded) throw newBadRequest('the backend upgraded a connection that nobody asked it to upgrade')
    else if (upgrade && (response.statusCode ?? 0) < 400)
      throw newStatusError(500, '', `invalid upgrade response: status code ${response.statusCode}`)
    else await relay(response, options)
  } finally {
    upgraded?.socket.destroy()
    if (upgrade) request.destroy()
  }
}
