/** HTTP GET as probes and lifecycle hooks do it: any certificate will do, 200 to 399 is fine. */
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Container, HTTPGetAction } from '../../api/kinds/core/v1.ts'
import { dialTimeout, networkErrorText } from './networkErrors.ts'
import { failure, MAX_PROBE_OUTPUT_BYTES, success } from './outcome.ts'
import type { ProbeOutcome } from './outcome.ts'

const MAX_REDIRECTS = 10
/** Go, in which probes ask elsewhere, takes lines that end without a carriage return: busybox' httpd passes on such ones of a script. */
const LENIENT = { insecureHTTPParser: true }

/** A port by its number or by its name in the container. */
export function resolvePort(port: number | string, container: Container): number {
  const number =
    typeof port === 'number' ? port : /^\d+$/.test(port) ? Number(port) : container.ports?.find((p) => p.name === port)?.containerPort
  if (number === undefined || number <= 0 || number > 65_535)
    throw new Error(`couldn't find port: ${JSON.stringify(port)} in container ${container.name}`)
  return number
}

function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

export function httpGetUrl(action: HTTPGetAction, container: Container, podIp: string): URL {
  const scheme = (action.scheme ?? 'HTTP').toLowerCase()
  const path = action.path ?? '/'
  return new URL(
    `${scheme}://${hostInUrl(action.host || podIp)}:${resolvePort(action.port, container)}${path.startsWith('/') ? path : `/${path}`}`,
  )
}

function headersOf(action: HTTPGetAction, userAgent: string): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (const { name, value } of action.httpHeaders ?? []) {
    const key = Object.keys(headers).find((known) => known.toLowerCase() === name.toLowerCase()) ?? name
    const before = headers[key]
    headers[key] = before === undefined || key.toLowerCase() === 'host' ? value : [...(Array.isArray(before) ? before : [before]), value]
  }
  const has = (name: string): boolean => Object.keys(headers).some((key) => key.toLowerCase() === name)
  if (!has('user-agent')) headers['User-Agent'] = userAgent
  if (!has('accept')) headers.Accept = '*/*'
  headers.Connection = 'close'
  return headers
}

export interface HttpAnswer {
  status: number
  body: string
}

interface Hop extends HttpAnswer {
  location: string | undefined
}

/** An answer that redirects. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= MAX_PROBE_OUTPUT_BYTES) break
  }
  return Buffer.concat(chunks).subarray(0, MAX_PROBE_OUTPUT_BYTES).toString()
}

function get(url: URL, headers: Record<string, string | string[]>, onConnected: () => void, signal: AbortSignal): Promise<Hop> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const request = send(
      url,
      { ...LENIENT, headers, signal, agent: false, rejectUnauthorized: false } as Parameters<typeof httpsRequest>[1],
      (response) => {
        readBody(response).then((body) => resolve({ status: response.statusCode ?? 0, location: response.headers.location, body }), reject)
      },
    )
    request.on('error', reject)
    request.on('socket', (socket) => socket.once('connect', onConnected))
    request.end()
  })
}

export interface HttpGetOptions {
  action: HTTPGetAction
  container: Container
  podIp: string
  /** Without it there is an end when the signal says so. */
  timeoutSeconds?: number
  userAgent: string
  signal: AbortSignal
}

const portOf = (url: URL): number => Number(url.port) || (url.protocol === 'https:' ? 443 : 80)

/** A URL as it is told: with its port, whichever that is. */
function told(url: URL): string {
  return `${url.protocol}//${url.hostname}:${portOf(url)}${url.pathname}${url.search}${url.hash}`
}

/** There was no answer. */
export class HttpGetError extends Error {
  override readonly name = 'HttpGetError'
}

function describeFailure(url: URL, error: unknown, { timedOut, connected }: { timedOut: boolean; connected: boolean }): string {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const waiting = '(Client.Timeout exceeded while awaiting headers)'
  const late = connected ? `context deadline exceeded ${waiting}` : `${dialTimeout(host, portOf(url))} ${waiting}`
  return `Get "${told(url)}": ${timedOut ? late : networkErrorText(error, host, portOf(url))}`
}

/** The answer, where redirects within the host lead; throws HttpGetError when there is none. */
export async function httpGet(options: HttpGetOptions): Promise<HttpAnswer> {
  const { action, container, podIp, timeoutSeconds, userAgent, signal } = options
  const first = httpGetUrl(action, container, podIp)
  const timeout = timeoutSeconds === undefined ? undefined : AbortSignal.timeout(timeoutSeconds * 1000)
  const either = timeout ? AbortSignal.any([timeout, signal]) : signal
  const headers = headersOf(action, userAgent)
  let [url, connected] = [first, false]
  try {
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      connected = false
      const hop = await get(url, headers, () => (connected = true), either)
      if (!REDIRECTS.has(hop.status) || hop.location === undefined) return hop
      const next = new URL(hop.location, url)
      // Another host is not the pod's to answer for.
      if (next.hostname !== first.hostname) return hop
      url = next
    }
  } catch (error) {
    signal.throwIfAborted()
    throw new HttpGetError(describeFailure(url, error, { timedOut: timeout?.aborted === true, connected }), { cause: error })
  }
  throw new HttpGetError(`Get "${told(url)}": stopped after ${MAX_REDIRECTS} redirects`)
}

export async function probeHttp(options: HttpGetOptions): Promise<ProbeOutcome> {
  try {
    const { status, body } = await httpGet(options)
    if (status >= 300 && status < 400) return { result: 'warning', output: `Probe terminated redirects, Response body: ${body}` }
    return status >= 200 && status < 300 ? success(body) : failure(`HTTP probe failed with statuscode: ${status}`)
  } catch (error) {
    if (error instanceof HttpGetError) return failure(error.message)
    throw error
  }
}
