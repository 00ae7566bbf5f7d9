/** What went wrong with a connection, in the words of upstream's kubelet: people and tools look for them in events. */
import { hostPort } from '../../base/ipFamily.ts'

/** Of attempts to connect, by the system's code. */
const DIAL_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'connect: connection timed out',
  EADDRNOTAVAIL: 'connect: cannot assign requested address',
}

export const GAVE_HTTP_TO_HTTPS = 'http: server gave HTTP response to HTTPS client'

const fieldOf = (error: Error, name: string): unknown => (name in error ? (error as Error & Record<string, unknown>)[name] : undefined)

export function dialTimeout(host: string, port: number): string {
  return `dial tcp ${hostPort(host, port)}: i/o timeout`
}

/** Of a connection to that address, and of what was asked through it. */
export function networkErrorText(error: unknown, host: string, port: number): string {
  if (!(error instanceof Error)) return String(error)
  const code = String(fieldOf(error, 'code') ?? '')
  const dial = DIAL_ERRORS[code]
  if (dial) return `dial tcp ${hostPort(host, port)}: ${dial}`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${host}: no such host`
  if (code === 'EPROTO' && /wrong version number|packet length too long/i.test(error.message)) return GAVE_HTTP_TO_HTTPS
  if (code.startsWith('HPE_')) return `net/http: HTTP/1.x transport connection broken: malformed HTTP response ${firstLine(error)}`
  if (code === 'ECONNRESET') return error.message === 'socket hang up' ? 'EOF' : 'read: connection reset by peer'
  return error.message
}

/** Of what came instead of an answer. */
function firstLine(error: Error): string {
  const raw = fieldOf(error, 'rawPacket')
  const [line = ''] = Buffer.isBuffer(raw) ? raw.toString('latin1').split(/\r?\n/, 1) : []
  return JSON.stringify(line)
}
