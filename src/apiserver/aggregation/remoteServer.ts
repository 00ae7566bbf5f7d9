/**
 * One API server behind an APIService: reached over TLS at one of its service's endpoints, told who asks by the front
 * proxy's headers, which it believes because of the front proxy's client certificate.
 */
import { Agent, request as httpsRequest } from 'node:https'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { APIService } from '../../api/kinds/apiregistration/v1.ts'
import { REQUEST_HEADERS } from '../authentication/requestHeader.ts'
import type { Target } from '../proxy/kubelet.ts'
import type { UserInfo } from '../request.ts'
import type { ServiceResolver } from '../webhooks/serviceResolver.ts'
import { serviceOf } from './apiServices.ts'
import type { ServiceAt } from './apiServices.ts'

/** PEM: by which this server shows itself to the servers behind it. */
export interface ProxyClient {
  cert: string
  key: string
}

export interface RemoteAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

export const MAX_DOCUMENT_BYTES = 64 * 2 ** 20
const MAX_IDLE_SOCKETS = 16

/** Names of headers are tokens; what a key has beyond that is percent-encoded (client-go's headerKeyEscape). */
function escapeKey(key: string): string {
  return key.replace(/[^!#$&'*+\-.^_`|~0-9A-Za-z]/gu, (text) =>
    [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}

/** X-Remote-User and its companions for a user. */
export function userHeaders(user: UserInfo): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { [REQUEST_HEADERS.user]: user.name }
  if (user.uid) headers[REQUEST_HEADERS.uid] = user.uid
  if (user.groups.length > 0) headers[REQUEST_HEADERS.group] = [...user.groups]
  for (const [key, values] of Object.entries(user.extra)) headers[REQUEST_HEADERS.extraPrefix + escapeKey(key)] = [...values]
  return headers
}

export interface RemoteServerOptions {
  apiService: APIService
  proxyClient: ProxyClient
  resolve: ServiceResolver
}

export class RemoteServer {
  readonly service: ServiceAt
  readonly #agent: Agent
  readonly #resolve: ServiceResolver

  constructor({ apiService, proxyClient, resolve }: RemoteServerOptions) {
    this.service = serviceOf(apiService) as ServiceAt
    this.#resolve = resolve
    const { caBundle, insecureSkipTLSVerify } = apiService.spec
    this.#agent = new Agent({
      ...proxyClient,
      // Servers are known by the service's name, whichever of its addresses answers.
      servername: `${this.service.name}.${this.service.namespace}.svc`,
      ...(caBundle && { ca: Buffer.from(caBundle, 'base64').toString() }),
      rejectUnauthorized: insecureSkipTLSVerify !== true,
      keepAlive: true,
      maxFreeSockets: MAX_IDLE_SOCKETS,
    })
  }

  /** One of the service's ready addresses. Throws an Error where there is none. */
  target(): Target {
    const { namespace, name, port } = this.service
    return { ...this.#resolve(namespace, name, port), tls: true, agent: this.#agent }
  }

  /** A request of the server's own, or of a component in its process. Never follows a redirect. */
  async ask(
    path: string,
    options: { user: UserInfo; method?: string; headers?: OutgoingHttpHeaders; body?: string; signal: AbortSignal },
  ): Promise<RemoteAnswer> {
    const response = await this.open(path, options)
    const chunks: Buffer[] = []
    let sizeBytes = 0
    for await (const chunk of response as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length
      if (sizeBytes > MAX_DOCUMENT_BYTES) throw new Error(`the answer to ${path} is larger than ${MAX_DOCUMENT_BYTES} bytes`)
      chunks.push(chunk)
    }
    return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
  }

  /** The answer's head, its body still to come. */
  async open(
    path: string,
    options: { user: UserInfo; method?: string; headers?: OutgoingHttpHeaders; body?: string; signal: AbortSignal },
  ): Promise<IncomingMessage> {
    for (;;) {
      const attempt = this.#send(path, options)
      try {
        return await attempt.response
      } catch (error) {
        // The server closed a kept connection just when it was used again: nothing was answered, and reading twice does no harm.
        const { code } = error as NodeJS.ErrnoException
        const isStale = attempt.request.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE')
        if (!isStale || (options.method ?? 'GET') !== 'GET') throw error
      }
    }
  }

  #send(
    path: string,
    options: { user: UserInfo; method?: string; headers?: OutgoingHttpHeaders; body?: string; signal: AbortSignal },
  ): { request: ClientRequest; response: Promise<IncomingMessage> } {
    const { user, method = 'GET', headers = {}, body, signal } = options
    const { host, port } = this.target()
    const request = httpsRequest({
      host,
      port,
      path,
      method,
      agent: this.#agent,
      signal,
      headers: { ...headers, ...userHeaders(user), ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
    })
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.on('response', resolve)
      request.on('error', reject)
    })
    request.end(body)
    return { request, response }
  }

  close(): void {
    this.#agent.destroy()
  }
}
