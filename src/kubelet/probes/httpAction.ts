/** HTTP GET as probes and lifecycle hooks do it: any certificate will do, 200 to 399 is fine. */
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Container, HTTPGetAction } from '../../api/kinds/core/v1.ts'
import { failure, MAX_PROBE_OUTPUT_BYTES, success } from './outcome.ts'
import type { ProbeOutcome } from './outcome.ts'

const MAX_REDIRECTS = 10

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

interface HttpAnswer {
  status: number
  location: string | undefined
  body: string
}

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

function get(url: URL, headers: Record<string, string | string[]>, signal: AbortSignal): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const request = send(
      url,
      { headers, signal, agent: false, rejectUnauthorized: false } as Parameters<typeof httpsRequest>[1],
      (response) => {
        readBody(response).then((body) => resolve({ status: response.statusCode ?? 0, location: response.headers.location, body }), reject)
      },
    )
    request.on('error', reject)
    request.end()
  })
}

export interface HttpGetOptions {
  action: HTTPGetAction
  container: Container
  podIp: string
  timeoutSeconds: number
  userAgent: string
  signal: AbortSignal
}

function describeFailure(url: URL, error: unknown, timedOut: boolean): string {
  const why = timedOut
    ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    : error instanceof Error
      ? error.message
      : String(error)
  return `Get "${url.href}": ${why}`
}

export async function probeHttp(options: HttpGetOptions): Promise<ProbeOutcome> {
  const { action, container, podIp, timeoutSeconds, userAgent, signal } = options
  const first = httpGetUrl(action, container, podIp)
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000)
  const headers = headersOf(action, userAgent)
  let url = first
  try {
    for (let redirects = 0; ; redirects++) {
      const { status, location, body } = await get(url, headers, AbortSignal.any([timeout, signal]))
      const redirected = status >= 300 && status < 400 && location !== undefined
      if (!redirected) return status >= 200 && status < 400 ? success(body) : failure(`HTTP probe failed with statuscode: ${status}`)
      const next = new URL(location, url)
      // Another host is not the pod's to answer for.
      if (next.hostname !== first.hostname) return { result: 'warning', output: `Probe terminated redirects, Response body: ${body}` }
      if (redirects >= MAX_REDIRECTS) return failure(`Get "${first.href}": stopped after ${MAX_REDIRECTS} redirects`)
      url = next
    }
  } catch (error) {
    signal.throwIfAborted()
    return failure(describeFailure(url, error, timeout.aborted))
  }
}
