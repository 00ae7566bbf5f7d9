/** Where an engine's API is, and one plain request to it: for what must not wait for dockerode to load (70 ms and more). */
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { bodyOf } from '../bodyOf.ts'
import { UserError } from '../userError.ts'

/** Importing it reads each of its exports, and one of them is a getter that loads fetch and WebSocket: 30 ms. */
const http = process.getBuiltinModule('node:http')

export interface EngineTls {
  ca?: string
  cert?: string
  key?: string
  rejectUnauthorized?: boolean
}

export interface EngineAddress {
  /** As in DOCKER_HOST: unix:///path, tcp://host:port, or https://host:port. */
  host: string
  /** Where the address came from, in words: "DOCKER_HOST", "docker context colima", "Docker Desktop's socket". */
  source: string
  /** The user's own choice (a docker context), so that taking another engine is worth a word. */
  chosen?: boolean
  tls?: EngineTls
}

/** minicube's own engine (ownEngine.ts). */
export const OWN_RUN_DIRECTORY = '/run/minicube'
export const OWN_SOCKET = `${OWN_RUN_DIRECTORY}/docker.sock`
export const OWN_ENGINE: EngineAddress = { host: `unix://${OWN_SOCKET}`, source: "minicube's own engine" }

/** What dockerode's constructor and node:http both take. */
export interface EngineConnection {
  socketPath?: string
  protocol?: 'http' | 'https'
  host?: string
  port?: number
}

export function engineConnection(address: Pick<EngineAddress, 'host' | 'tls'>): EngineConnection {
  if (address.host.startsWith('unix://')) return { socketPath: address.host.slice('unix://'.length) }
  const url = /^(tcp|http|https):\/\//.test(address.host) ? new URL(address.host.replace(/^tcp:/, 'http:')) : undefined
  if (!url?.hostname) {
    throw new UserError({
      area: 'DRIVER',
      sort: 'UNSUPPORTED',
      message: `the engine address "${address.host}" is of a kind that minicube cannot use`,
      hint: 'Use an engine on this machine (unix://…) or over TCP (tcp://host:port); for SSH, forward its socket: ssh -L /tmp/docker.sock:/var/run/docker.sock HOST',
    })
  }
  const secure = address.tls !== undefined || url.protocol === 'https:'
  return { protocol: secure ? 'https' : 'http', host: url.hostname, port: Number(url.port || (secure ? 2376 : 2375)) }
}

export class EngineHttpError extends Error {
  override readonly name = 'EngineHttpError'
  readonly statusCode: number

  constructor(statusCode: number, message: string) {
    super(message)
    this.statusCode = statusCode
  }
}

/** No answer of the plain requests is larger. */
const BODY_LIMIT_BYTES = 8 << 20

export function engineGet(address: EngineAddress, path: string, signal: AbortSignal): Promise<unknown> {
  return engineRequest(address, 'GET', path, signal)
}

/** One request without a body; the answer parsed as JSON where it is JSON. Throws EngineHttpError when that is other than 2xx. */
export function engineRequest(address: EngineAddress, method: 'GET' | 'POST', path: string, signal: AbortSignal): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const { protocol, ...connection } = engineConnection(address)
  const options = { ...connection, method, path, signal, agent: false as const }
  const request = protocol === 'https' ? https.request({ ...options, ...address.tls }) : http.request(options)
  request.on('error', reject)
  request.on('response', (response) => {
    bodyOf(response, BODY_LIMIT_BYTES, `the engine's answer to ${path} is too large`)
      .then((text) => answerOf(response, text, `what answers ${path} at ${address.host} is no container engine`))
      .then(resolve, reject)
  })
  request.end()
  return promise
}

function answerOf({ statusCode = 0, headers }: IncomingMessage, text: string, noEngine: string): unknown {
  let body: unknown = text
  try {
    if (headers['content-type']?.startsWith('application/json')) body = JSON.parse(text)
  } catch (cause) {
    throw new Error(noEngine, { cause })
  }
  if (statusCode >= 200 && statusCode < 300) return body
  throw new EngineHttpError(statusCode, (body as { message?: string } | null)?.message ?? (body === '' ? '' : text))
}

/** A socket that exists but whose engine hangs must not hang us. */
const PING_TIMEOUT_MS = 3_000

/** Undefined when the engine answers; otherwise why not, in words. */
export async function pingEngine(address: EngineAddress, signal: AbortSignal): Promise<string | undefined> {
  try {
    await engineGet(address, '/_ping', AbortSignal.any([signal, AbortSignal.timeout(PING_TIMEOUT_MS)]))
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    return explainNoAnswer(error)
  }
}

/** Why a request to an engine failed, in words. */
export function explainNoAnswer(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof UserError) return error.message
  if (error instanceof EngineHttpError) return `it answers HTTP ${error.statusCode}${error.message && `: ${error.message}`}`
  const late = `no answer within ${PING_TIMEOUT_MS / 1000} s`
  if (error.name === 'TimeoutError' || (error.cause as Error | undefined)?.name === 'TimeoutError') return late
  const code = 'code' in error ? String(error.code) : ''
  const reasons: Record<string, string> = {
    ENOENT: 'no such socket',
    ECONNREFUSED: 'nobody listens there',
    EACCES: 'permission denied',
    ABORT_ERR: late,
    ENOTFOUND: 'its name is not known',
    EAI_AGAIN: 'its name cannot be resolved',
    ENETUNREACH: 'its network cannot be reached',
    EHOSTUNREACH: 'the host cannot be reached',
  }
  // Of several addresses that all failed, the error has a code alone.
  return reasons[code] ?? (error.message || code || error.name)
}
