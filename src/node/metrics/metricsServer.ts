/**
 * The resource metrics API (metrics.k8s.io/v1beta1), which `kubectl top` and the horizontal autoscaler read: an API server
 * of its own behind the aggregation layer, as metrics-server is in other clusters. It believes the front proxy alone of
 * who asks, and asks the cluster's authorizer whether they may.
 */
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { nodes, pods, type Node, type Pod } from '../../api/kinds/core/v1.ts'
import type { JsonObject } from '../../api/resource.ts'
import { matchesFields, matchesLabels, parseFieldSelector, parseLabelSelector, SelectorError } from '../../api/selectors.ts'
import {
  newBadRequest,
  newForbidden,
  newInternalError,
  newMethodNotAllowed,
  newNotFound,
  newUnauthorized,
  StatusError,
} from '../../api/status.ts'
import { userOfHeaders } from '../../apiserver/authentication/requestHeader.ts'
import type { Authorizer, UserInfo } from '../../apiserver/request.ts'
import { aborted } from '../../base/abort.ts'
import type { ComponentContext } from '../../base/component.ts'
import type { Client } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import {
  aggregatedDiscovery,
  apiGroup,
  apiResourceList,
  METRICS_GROUP,
  METRICS_VERSION,
  metricsList,
  metricsTable,
  nodeMetrics,
  podMetrics,
  type MetricsKind,
} from './documents.ts'
import { publishMetricsServer } from './publish.ts'
import { kubeletReader, Scraper } from './scraper.ts'
import type { NodeUsage, Usage } from './usage.ts'

export interface MetricsServerOptions {
  client: Client
  informers: Informers
  authorizer: Authorizer
  nodeName: string
  nodeIp: string
  port: number
  /** PEM: the server's own certificate, and whose clients it believes. */
  tls: { cert: string; key: string; frontProxyCa: string }
  /** PEM: by which it shows itself to kubelets, and who signs theirs. */
  kubelets: { ca: string; cert: string; key: string }
}

const FRONT_PROXY_NAME = 'front-proxy-client'
const DISCOVERY = /as=APIGroupDiscoveryList/
const TABLE = /as=Table/
const PREFIX = `/apis/${METRICS_GROUP}/${METRICS_VERSION}`

interface Asked {
  kind: MetricsKind
  namespace?: string
  name?: string
}

/** The objects that a path under the group version names; undefined for any other path. Pure. */
export function askedBy(path: string): Asked | undefined {
  const parts = path.startsWith(`${PREFIX}/`)
    ? path
        .slice(PREFIX.length + 1)
        .split('/')
        .map(decoded)
    : []
  const [first, second, third, fourth] = parts
  if (first === 'nodes' && parts.length <= 2) return { kind: 'NodeMetrics', ...(second && { name: second }) }
  if (first === 'pods' && parts.length === 1) return { kind: 'PodMetrics' }
  if (first !== 'namespaces' || !second || third !== 'pods' || parts.length > 4) return undefined
  return { kind: 'PodMetrics', namespace: second, ...(fourth && { name: fourth }) }
}

/** What encodes nothing stays as it is: no object has such a name. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

class MetricsApi {
  readonly #options: MetricsServerOptions
  readonly #scraper: Scraper
  readonly #context: ComponentContext

  constructor(options: MetricsServerOptions, context: ComponentContext) {
    this.#options = options
    this.#context = context
    this.#scraper = new Scraper({ read: kubeletReader(options.kubelets), clock: context.clock })
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await this.#bodyFor(request)
      const type =
        body === aggregatedDiscovery ? 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' : 'application/json'
      response.writeHead(200, { 'Content-Type': type }).end(JSON.stringify(body))
    } catch (error) {
      if (!(error instanceof StatusError)) this.#context.log.error('request failed', error, { path: request.url?.split('?')[0] })
      const status = error instanceof StatusError ? error.status : newInternalError(String(error)).status
      response.writeHead(status.code ?? 500, { 'Content-Type': 'application/json' }).end(JSON.stringify(status))
    }
  }

  async #bodyFor(request: IncomingMessage): Promise<JsonObject> {
    const user = userOf(request)
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://metrics')
    const accept = request.headers.accept ?? ''
    if (pathname === '/apis')
      return DISCOVERY.test(accept) ? aggregatedDiscovery : { kind: 'APIGroupList', apiVersion: 'v1', groups: [apiGroup] }
    if (pathname === `/apis/${METRICS_GROUP}`) return { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup }
    if (pathname === PREFIX) return apiResourceList
    const asked = askedBy(pathname)
    if (!asked) throw newNotFound({ group: '', resource: '' }, '')
    if (request.method !== 'GET') throw newMethodNotAllowed()
    await this.#authorize(user, asked, pathname)
    const items = await this.#items(asked, searchParams)
    if (TABLE.test(accept)) return metricsTable(items, totalOf)
    const [only] = items
    if (asked.name === undefined)
      return metricsList(
        asked.kind,
        items.map(({ kind: _kind, apiVersion: _version, ...item }) => item as JsonObject),
      )
    if (!only) throw newNotFound({ group: METRICS_GROUP, resource: resourceOf(asked) }, qualifiedName(asked))
    return only
  }

  async #authorize(user: UserInfo, asked: Asked, path: string): Promise<void> {
    const { namespace = '', name = '' } = asked
    const verb = asked.name === undefined ? 'list' : 'get'
    const resource = resourceOf(asked)
    const access = { user, verb, group: METRICS_GROUP, version: METRICS_VERSION, resource, subresource: '', namespace, name, path }
    if ((await this.#options.authorizer.authorize(access)).allowed) return
    const where = namespace ? ` in the namespace "${namespace}"` : ' at the cluster scope'
    const why = `User "${user.name}" cannot ${verb} resource "${resource}" in API group "${METRICS_GROUP}"${where}`
    throw newForbidden({ group: METRICS_GROUP, resource }, name, why)
  }

  async #items({ kind, namespace, name }: Asked, query: URLSearchParams): Promise<JsonObject[]> {
    const { informers } = this.#options
    const known: readonly (Node | Pod)[] = kind === 'NodeMetrics' ? informers.for(nodes).list() : informers.for(pods).list(namespace)
    const wanted = known.filter(selection(query)).filter(({ metadata }) => name === undefined || metadata.name === name)
    const usages = await this.#usages()
    return wanted.flatMap((object): JsonObject[] => {
      if (kind === 'NodeMetrics') {
        const usage = usages.get(object.metadata.name)
        return usage ? [nodeMetrics(object as Node, usage)] : []
      }
      const usage = usages.get((object as Pod).spec.nodeName ?? '')
      const metrics = usage && podMetrics(object as Pod, usage)
      return metrics ? [metrics] : []
    })
  }

  /** By node; a node that does not answer has none. */
  async #usages(): Promise<Map<string, NodeUsage>> {
    const { informers } = this.#options
    const { signal, log } = this.#context
    const places = informers
      .for(nodes)
      .list()
      .flatMap((node) => {
        const host = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address
        const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port
        return host && port ? [{ name: node.metadata.name, address: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}` }] : []
      })
    this.#scraper.keepOnly(new Set(places.map(({ address }) => address)))
    const found = await Promise.all(
      places.map(async ({ name, address }) => {
        try {
          return [[name, await this.#scraper.usage(address, signal)] as const]
        } catch (error) {
          log.warn('a node does not tell its usage', { node: name, error: String(error) })
          return []
        }
      }),
    )
    return new Map(found.flat())
  }
}

function userOf(request: IncomingMessage): UserInfo {
  const socket = request.socket as TLSSocket
  const believed = socket.authorized && socket.getPeerCertificate().subject?.CN === FRONT_PROXY_NAME
  const user = believed ? userOfHeaders(request.rawHeaders) : undefined
  if (!user) throw newUnauthorized()
  return user
}

const resourceOf = ({ kind }: Asked): string => (kind === 'NodeMetrics' ? 'nodes' : 'pods')
const qualifiedName = ({ namespace, name = '' }: Asked): string => (namespace ? `${namespace}/${name}` : name)

function selection(query: URLSearchParams): (object: Node | Pod) => boolean {
  try {
    const labels = parseLabelSelector(query.get('labelSelector') ?? '')
    const fields = parseFieldSelector(query.get('fieldSelector') ?? '')
    return ({ metadata }) =>
      matchesLabels(labels, metadata.labels) &&
      matchesFields(fields, (field) => ({ 'metadata.name': metadata.name, 'metadata.namespace': metadata.namespace })[field] ?? '')
  } catch (error) {
    if (error instanceof SelectorError) throw newBadRequest(error.message)
    throw error
  }
}

/** Of a node, or of all containers of a pod. */
function totalOf(item: JsonObject): Usage {
  const each = (item['containers'] as { usage: JsonObject }[] | undefined) ?? [{ usage: item['usage'] as JsonObject }]
  const total = (resource: string): number => each.reduce((sum, { usage }) => sum + Number.parseInt(String(usage[resource]), 10), 0)
  return { cpuNanoCores: total('cpu'), memoryBytes: total('memory') * 1024 }
}

export async function runMetricsServer(options: MetricsServerOptions, context: ComponentContext): Promise<void> {
  const { client, informers, nodeName, nodeIp, port, tls, kubelets } = options
  const { signal } = context
  await Promise.all([informers.for(nodes).synced(signal), informers.for(pods).synced(signal)])
  const api = new MetricsApi(options, context)
  // A caller without a certificate gets an answer (401) rather than a broken handshake.
  const server = createServer({ cert: tls.cert, key: tls.key, ca: tls.frontProxyCa, requestCert: true, rejectUnauthorized: false })
  server.on('request', (request, response) => void api.answer(request, response))
  server.listen(port, nodeIp)
  await once(server, 'listening', { signal })
  try {
    await publishMetricsServer({ client, nodeName, nodeIp, port, ca: kubelets.ca }, signal)
    context.ready()
    await aborted(signal)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
