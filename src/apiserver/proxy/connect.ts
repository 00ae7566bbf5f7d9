/**
 * Subresources that connect a client with something else: logs, exec, attach and port-forward with the kubelet of the pod's
 * node, proxy with a pod, the endpoints of a service or a kubelet.
 */
import { request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { pods as podResource } from '../../api/kinds/core/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { newBadRequest, newInternalError, newNotFound, newServiceUnavailable, newStatusError } from '../../api/status.ts'
import type { ConnectHandler, RequestContext } from '../transport/filters.ts'
import { headerText } from '../transport/apiRequests.ts'
import type { Route } from '../transport/routes.ts'
import type { CatalogSubresource } from '../../api/catalog/catalog.ts'
import type { JsonObject } from '../../api/resource.ts'
import type { ApiRequest } from '../request.ts'
import { connectOptions } from './connectOptions.ts'
import { containerOf } from './containers.ts'
import { forward, upgradeProtocol } from './forward.ts'
import { Kubelets } from './kubelet.ts'
import type { KubeletClient, ObjectReader, Target } from './kubelet.ts'
import { kubeletLogQuery } from './logOptions.ts'
import { ProxyTargets } from './proxyTargets.ts'

export interface ConnectOptions {
  reader: ObjectReader
  kubelet: KubeletClient
  /** Admission: the options as it leaves them; throws where it refuses. */
  admit?: (request: ApiRequest, options: JsonObject) => Promise<JsonObject>
}

/** What the kubelet answers instead of a log is a message, and short. */
const MAX_ERROR_BYTES = 64 * 1024
const LOG_HEADERS_TIMEOUT_MS = 30_000

export class Connect implements ConnectHandler {
  readonly #reader: ObjectReader
  readonly #kubelets: Kubelets
  readonly #targets: ProxyTargets
  readonly #admit: ConnectOptions['admit']

  constructor(options: ConnectOptions) {
    this.#reader = options.reader
    this.#admit = options.admit
    this.#kubelets = new Kubelets({ reader: options.reader, client: options.kubelet })
    this.#targets = new ProxyTargets({ reader: options.reader, kubelets: this.#kubelets })
  }

  async serve(context: RequestContext, route: Route): Promise<void> {
    if (route.subresource?.name === 'log') return this.#logs(context, route)
    const options = route.subresource ? await this.#admitted(context, route, route.subresource) : {}
    switch (route.subresource?.name) {
      case 'exec':
      case 'attach':
      case 'portforward':
        return this.#stream(context, route, route.subresource.name, options)
      default:
        return this.#proxy(context, route)
    }
  }

  async #admitted(context: RequestContext, route: Route, subresource: CatalogSubresource): Promise<JsonObject> {
    const options = connectOptions(subresource, context.query, context.info.rest)
    if (!this.#admit) return options
    const { query, user, signal, exchange } = context
    const { verb, resource, namespace, name } = route
    const userAgent = headerText(exchange, 'user-agent')
    const { audit } = exchange
    const annotate: ApiRequest['annotate'] = (...annotation) => audit?.annotate(...annotation)
    const request = { user, verb, resource, subresource, namespace, name, query, userAgent, warnings: [], annotate, signal }
    return this.#admit(request, options)
  }

  async #pod({ namespace, name }: Route): Promise<Pod> {
    const pod = await this.#reader.get(podResource, namespace, name)
    if (!pod) throw newNotFound(podResource, name)
    return pod
  }

  async #logs({ exchange, query, signal }: RequestContext, route: Route): Promise<void> {
    const wanted = kubeletLogQuery(query, route.name)
    const pod = await this.#pod(route)
    const container = containerOf(pod, query.get('container') ?? '')
    // A pod that no node has yet has no log, which is no error.
    if (!pod.spec.nodeName) return exchange.respond(204, {})
    const target = await this.#kubelets.ofPod(pod)
    const { namespace, name } = route
    const path = `/containerLogs/${namespace}/${name}/${container}${wanted.size > 0 ? `?${wanted}` : ''}`
    const response = await this.#get(target, path, signal)
    if (response.statusCode !== 200) throw await kubeletError(response, name)
    const out = exchange.stream(200, { 'content-type': 'text/plain' })
    await pipeline(response, out, { signal }).catch(() => exchange.destroy())
  }

  #get(target: Target, path: string, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        { host: target.host, port: target.port, path, agent: target.agent, signal, timeout: LOG_HEADERS_TIMEOUT_MS },
        resolve,
      )
      request.on('timeout', () => {
        if (!request.socket || request.socket.connecting) request.destroy(new Error('connection timed out'))
      })
      request.on('error', (cause) => {
        if (signal.aborted) return reject(signal.reason as Error)
        const failure = newInternalError(`Get "https://${target.host}:${target.port}${path}": ${cause.message}`)
        failure.cause = cause
        reject(failure)
      })
      request.end()
    })
  }

  async #stream(context: RequestContext, route: Route, what: 'exec' | 'attach' | 'portforward', options: JsonObject): Promise<void> {
    const { exchange, signal } = context
    const pod = await this.#pod(route)
    const path =
      what === 'portforward'
        ? portForwardPath(route, options)
        : execPath(what, route, containerOf(pod, String(options['container'] ?? '')), options)
    const target = await this.#kubelets.ofPod(pod)
    if (upgradeProtocol(exchange) === undefined) throw newBadRequest('Upgrade request required')
    await forward({ exchange, target, path, signal })
  }

  async #proxy(context: RequestContext, route: Route): Promise<void> {
    const { exchange, info, signal } = context
    const target = await this.#targets.of(route)
    const mark = exchange.target.indexOf('?')
    const search = mark < 0 ? '' : exchange.target.slice(mark)
    const path = mark < 0 ? exchange.target : exchange.target.slice(0, mark)
    if (
      info.rest === '' &&
      !path.endsWith('/') &&
      (exchange.method === 'GET' || exchange.method === 'HEAD') &&
      !upgradeProtocol(exchange)
    ) {
      // The page's relative links would lead past the proxy.
      return exchange.respond(301, { location: `${path}/${search}` })
    }
    const prefix = path.slice(0, path.length - info.rest.length).replace(/\/$/, '')
    const host = exchange.headers.host ?? exchange.headers[':authority']
    await forward({
      exchange,
      target,
      signal,
      path: `/${info.rest}${search}`,
      prefix,
      ...(host && { host: String(host) }),
      headers: { 'x-forwarded-uri': `${prefix}/${info.rest}` },
    })
  }
}

function execPath(what: 'exec' | 'attach', { namespace, name }: Route, container: string, options: JsonObject): string {
  const wanted = new URLSearchParams()
  const flags = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' }
  for (const [from, to] of Object.entries(flags)) if (options[from]) wanted.set(to, '1')
  if (what === 'exec') for (const word of listOf(options['command'])) wanted.append('command', word)
  return `/${what}/${namespace}/${name}/${container}?${wanted}`
}

const listOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [])

function portForwardPath({ namespace, name }: Route, options: JsonObject): string {
  const wanted = new URLSearchParams()
  for (const port of listOf(options['ports'])) wanted.append('port', port)
  return `/portForward/${namespace}/${name}${wanted.size > 0 ? `?${wanted}` : ''}`
}

async function kubeletError(response: IncomingMessage, pod: string): Promise<Error> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > MAX_ERROR_BYTES) break
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString().trim()
  const code = response.statusCode ?? 502
  if (code === 400) return newBadRequest(text)
  if (code === 500) return newInternalError(text)
  if (code === 404) {
    return newStatusError(404, 'NotFound', `the server could not find the requested resource ( pods/log ${pod})`, {
      name: pod,
      kind: 'pods/log',
    })
  }
  return newServiceUnavailable(text || `the kubelet answered ${code}`)
}
