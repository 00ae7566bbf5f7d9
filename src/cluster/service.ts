/**
 * `minicube service`: addresses at which a Service answers from this machine. Where the node's own address can be reached (Linux)
 * it is that; where a node port is published it is the published one; anywhere else a tunnel through the engine's API.
 */
import { createServer, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { pipeline } from 'node:stream/promises'
import { apiGet } from './apiServer.ts'
import { type Credentials, readCredentials } from './credentials.ts'
import { overlaps, parseCidr } from './engine/subnet.ts'
import { dialInNode } from './nodeStream.ts'
import { parsePublish } from './ports.ts'
import type { ProfileConfig } from './profile.ts'
import { type ClusterOptions, openNode } from './runningNode.ts'
import { UserError } from './userError.ts'

export interface ServicePort {
  namespace: string
  service: string
  portName: string
  port: number
  nodePort: number | undefined
  /** An address that answers as it is; undefined where it takes a tunnel. */
  url: string | undefined
  /** What a tunnel leads to, as the node sees it. */
  target: { host: string; port: number }
}

interface ServiceObject {
  metadata: { name: string; namespace: string }
  spec: { type?: string; clusterIP?: string; ports?: { name?: string; port: number; nodePort?: number; protocol?: string }[] }
}

export interface ServicePortsOptions extends ClusterOptions {
  /** All namespaces unless given. */
  namespace?: string
  /** All Services unless given. */
  name?: string
}

export async function listServicePorts(options: ServicePortsOptions): Promise<ServicePort[]> {
  const { namespace, name, signal } = options
  const { home, profile, state } = await openNode(options)
  const credentials = await requireCredentials(home, profile.name)
  const scope = namespace ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  const answer = await apiGet(credentials, `/api/v1${scope}/services${name ? `/${encodeURIComponent(name)}` : ''}`, signal)
  if (answer.statusCode === 404) {
    throw new UserError({
      area: 'SVC',
      sort: 'NOT_FOUND',
      message: `Service "${name}" was not found in namespace "${namespace}"`,
      hint: `To list them: minicube kubectl -- get services --all-namespaces`,
    })
  }
  if (answer.statusCode !== 200)
    throw new UserError({
      area: 'K8S',
      sort: 'UNAVAILABLE',
      message: `the API server answered ${answer.statusCode}: ${answer.body.slice(0, 500)}`,
    })
  const body = JSON.parse(answer.body) as ServiceObject & { items?: ServiceObject[] }
  const nodeIP = state.nodeIP || profile.network.nodeIP
  return (body.items ?? [body]).flatMap((service) => servicePorts(service, { nodeIP, profile, nodeReachable: isReachable(nodeIP) }))
}

async function requireCredentials(home: string, profile: string): Promise<Credentials> {
  const credentials = await readCredentials(home, profile)
  if (credentials) return credentials
  throw new UserError({
    area: 'GUEST',
    sort: 'CONFIG',
    message: `the credentials of "${profile}" are missing`,
    hint: `minicube start --profile ${profile}`,
  })
}

export interface ServiceFacts {
  nodeIP: string
  profile: Pick<ProfileConfig, 'publish'>
  nodeReachable: boolean
}

/** Pure: where each port of a Service can be reached. A Service without an address (headless, ExternalName) has none. */
export function servicePorts(service: ServiceObject, { nodeIP, profile, nodeReachable }: ServiceFacts): ServicePort[] {
  const { clusterIP, ports = [] } = service.spec
  if (!clusterIP || clusterIP === 'None') return []
  const published = profile.publish.map(parsePublish)
  return ports
    .filter((port) => (port.protocol ?? 'TCP') === 'TCP')
    .map((port) => {
      const there = published.find((one) => one.nodePort === port.nodePort && one.protocol === 'tcp')
      const direct = port.nodePort && nodeReachable ? `http://${nodeIP}:${port.nodePort}` : undefined
      const forwarded = there && `http://${there.hostAddress === '0.0.0.0' ? '127.0.0.1' : there.hostAddress}:${there.hostPort}`
      return {
        namespace: service.metadata.namespace,
        service: service.metadata.name,
        portName: port.name ?? '',
        port: port.port,
        nodePort: port.nodePort,
        url: direct ?? forwarded,
        target: { host: clusterIP, port: port.port },
      }
    })
}

/** Whether this machine has an interface in the node's network: the engine is in this kernel, and not in some VM. */
export function isReachable(nodeIP: string, interfaces = networkInterfaces()): boolean {
  const node = parseCidr(`${nodeIP}/32`)
  return (
    node !== undefined &&
    Object.values(interfaces)
      .flat()
      .some((one) => {
        const range = one?.cidr && !one.internal ? parseCidr(one.cidr) : undefined
        return range !== undefined && overlaps(range, node)
      })
  )
}

const ENDPOINT_CHECK_EVERY_MS = 250

/** Waits until a pod is ready behind the Service. Throws after `timeoutMs`. */
export async function waitForEndpoints(options: ClusterOptions & { namespace: string; name: string; timeoutMs: number }): Promise<void> {
  const { namespace, name, timeoutMs, signal } = options
  const { home, profile } = await openNode(options)
  const credentials = await requireCredentials(home, profile.name)
  const selector = encodeURIComponent(`kubernetes.io/service-name=${name}`)
  const path = `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices?labelSelector=${selector}`
  const deadlineMs = Date.now() + timeoutMs
  for (;;) {
    const { statusCode, body } = await apiGet(credentials, path, signal)
    const slices =
      statusCode === 200 ? (JSON.parse(body) as { items: { endpoints?: { conditions?: { ready?: boolean } }[] | null }[] }).items : []
    if (slices.some((slice) => slice.endpoints?.some((endpoint) => endpoint.conditions?.ready !== false))) return
    if (Date.now() > deadlineMs) {
      throw new UserError({
        area: 'SVC',
        sort: 'UNAVAILABLE',
        message: `no pod is ready behind Service "${name}" in namespace "${namespace}"`,
        hint: `What its pods do: minicube kubectl -- get pods -n ${namespace}`,
      })
    }
    await setTimeout(ENDPOINT_CHECK_EVERY_MS, undefined, { signal })
  }
}

export interface TunnelOptions extends ClusterOptions {
  target: { host: string; port: number }
  /** A free one unless given. */
  localPort?: number
  onError(message: string): void
}

/** Listens on 127.0.0.1 until the signal aborts; each connection goes through the engine's API into the node. */
export async function openTunnel(options: TunnelOptions): Promise<{ localPort: number; closed: Promise<void> }> {
  const { target, localPort = 0, signal, onError } = options
  const { container } = await openNode(options)
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    dialInNode(container, target.host, target.port)
      .then((stream) => Promise.all([pipeline(socket, stream), pipeline(stream, socket)]))
      .catch((error: unknown) => {
        socket.destroy()
        if (!signal.aborted) onError(error instanceof Error ? error.message : String(error))
      })
  })
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  server.listen(localPort, '127.0.0.1', () => listening.resolve())
  await listening.promise
  const closed = Promise.withResolvers<void>()
  server.once('close', () => closed.resolve())
  signal.addEventListener('abort', () => server.close(), { once: true })
  return { localPort: (server.address() as AddressInfo).port, closed: closed.promise }
}
