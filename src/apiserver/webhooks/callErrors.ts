/** Why a webhook could not be called, as Go's HTTP client words it. */
import { getServers } from 'node:dns'
import type { ClientRequest } from 'node:http'
import { isIPv6 } from 'node:net'
import { quote } from '../../api/quote.ts'
import type { StatusError } from '../../api/status.ts'

export interface CallErrorDetails {
  cause?: unknown
  /** What the webhook answered, where it answered a failure. */
  status?: StatusError
  /** The caller gave up; the webhook did nothing wrong. */
  canceled?: boolean
}

export class WebhookCallError extends Error {
  override readonly name = 'WebhookCallError'
  /** `config`: the configuration leads nowhere; `call`: the call failed. */
  readonly stage: 'config' | 'call'
  readonly status: StatusError | undefined
  readonly canceled: boolean

  constructor(stage: 'config' | 'call', message: string, details: CallErrorDetails = {}) {
    super(message, { cause: details.cause })
    this.stage = stage
    this.status = details.status
    this.canceled = details.canceled ?? false
  }
}

const SYSCALL_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'connection timed out',
  EADDRNOTAVAIL: 'cannot assign requested address',
  EACCES: 'permission denied',
  EPIPE: 'broken pipe',
}

const CERTIFICATE = 'tls: failed to verify certificate: x509: '
const CERTIFICATE_TEXTS: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate signed by unknown authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate signed by unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate signed by unknown authority',
  CERT_SIGNATURE_FAILURE: 'certificate signed by unknown authority',
  INVALID_CA: 'certificate signed by unknown authority',
  INVALID_PURPOSE: 'certificate specifies an incompatible key usage',
  CERT_HAS_EXPIRED: 'certificate has expired or is not yet valid',
  CERT_NOT_YET_VALID: 'certificate has expired or is not yet valid',
}

type Ended = 'timeout' | 'canceled' | undefined

export function connectionFailure(
  url: string,
  request: ClientRequest | undefined,
  error: NodeJS.ErrnoException,
  ended: Ended,
): WebhookCallError {
  const why = endText(ended) ?? textOf(error, request)
  return new WebhookCallError('call', `Post ${JSON.stringify(url)}: ${why}`, { cause: error, canceled: ended === 'canceled' })
}

/** The answer's head has come, but not all of the rest. */
export function bodyFailure(error: NodeJS.ErrnoException, ended: Ended): WebhookCallError {
  const why = endText(ended) ?? 'unexpected EOF'
  const message = `unexpected error when reading response body. Please retry. Original error: ${why}`
  return new WebhookCallError('call', message, { cause: error, canceled: ended === 'canceled' })
}

function endText(ended: Ended): string | undefined {
  if (!ended) return undefined
  return ended === 'timeout' ? 'context deadline exceeded' : 'context canceled'
}

/** A connection's or a request's failure. */
export function textOf(error: NodeJS.ErrnoException, request?: ClientRequest): string {
  const code = error.code ?? ''
  const certificate = CERTIFICATE_TEXTS[code]
  if (certificate) return CERTIFICATE + certificate
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || error.name === 'IdentityError') return CERTIFICATE + error.message
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `dial tcp: lookup ${(error as { hostname?: string }).hostname ?? ''}${askedServer()}: no such host`
  const { address, port, syscall } = error as { address?: string; port?: number; syscall?: string }
  const text = SYSCALL_TEXTS[code]
  if (syscall === 'connect' && text) return `dial tcp ${shown(address, port)}: connect: ${text}`
  if (error.message === 'socket hang up' || code === 'ERR_STREAM_PREMATURE_CLOSE') return 'EOF'
  if (text) return `${syscall ?? 'read'} tcp ${ends(request)}: ${syscall ?? 'read'}: ${text}`
  if (code === 'EPROTO' && /wrong version number|packet length too long/.test(error.message))
    return 'http: server gave HTTP response to HTTPS client'
  const refused = code === 'EPROTO' ? /alert ([a-z ]+)/.exec(error.message)?.[1] : undefined
  if (refused) return `remote error: tls: ${ALERT_TEXTS[refused] ?? refused}`
  const alert = code.startsWith('ERR_SSL_') ? code.slice('ERR_SSL_'.length).toLowerCase().replaceAll('_', ' ') : undefined
  if (alert) return `remote error: tls: ${alert}`
  if (code.startsWith('HPE_')) {
    const line = ((error as { rawPacket?: Buffer }).rawPacket ?? '').toString('latin1').split(/\r?\n/, 1)[0]
    return `net/http: HTTP/1.x transport connection broken: malformed HTTP response ${quote(line ?? '')}`
  }
  return error.message
}

/** As Go words what TLS calls otherwise. */
const ALERT_TEXTS: Readonly<Record<string, string>> = {
  'protocol version': 'protocol version not supported',
  'unknown ca': 'unknown certificate authority',
  'certificate unknown': 'unknown certificate',
}

function askedServer(): string {
  const [server] = getServers()
  return server ? ` on ${isIPv6(server) ? `[${server}]` : server}${/:\d+$/.test(server) && !isIPv6(server) ? '' : ':53'}` : ''
}

const shown = (address = '', port = 0): string => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)

function ends(request: ClientRequest | undefined): string {
  const socket = request?.socket
  return `${shown(socket?.localAddress, socket?.localPort)}->${shown(socket?.remoteAddress, socket?.remotePort)}`
}
