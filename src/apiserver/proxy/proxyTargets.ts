/** Where a proxied request goes: `name`, `name:port` or `scheme:name:port` of a pod, service or node, as an address. */
import { Agent } from 'node:https'
import { pods as podResource, services as serviceResource } from '../../api/kinds/core/v1.ts'
import type { Service, ServicePort } from '../../api/kinds/core/v1.ts'
import { endpointslices } from '../../api/kinds/discovery/v1.ts'
import type { EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { newBadRequest, newNotFound, newServiceUnavailable } from '../../api/status.ts'
import type { Route } from '../transport/routes.ts'
import { checkProxyable } from './addresses.ts'
import type { Kubelets, ObjectReader, Target } from './kubelet.ts'

export interface ProxyTargetsOptions {
  reader: ObjectReader
  kubelets: Kubelets
}

interface Reference {
  scheme: string
  name: string
  port: string
}

/** Throws 400 for what is none. */
export function parseReference(text: string, what: string): Reference {
  const parts = text.split(':')
  const [first = '', second = '', third = ''] = parts
  const reference =
    parts.length === 1
      ? { scheme: '', name: first, port: '' }
      : parts.length === 2
        ? { scheme: '', name: first, port: second }
        : { scheme: first, name: second, port: third }
  if (parts.length > 3 || reference.name === '' || !['', 'http', 'https'].includes(reference.scheme)) {
    throw newBadRequest(`invalid ${what} request ${JSON.stringify(text)}`)
  }
  return reference
}

/** Backends of pods and services have certificates of their own; upstream doesn't check them either. */
const anyCertificate = new Agent({ rejectUnauthorized: false, keepAlive: false })

function target(host: string, port: number, scheme: string): Target {
  checkProxyable(host)
  return scheme === 'https' ? { host, port, tls: true, agent: anyCertificate } : { host, port, tls: false }
}

export class ProxyTargets {
  readonly #options: ProxyTargetsOptions

  constructor(options: ProxyTargetsOptions) {
    this.#options = options
  }

  async of(route: Route): Promise<Target> {
    switch (route.resource.resource) {
      case 'pods':
        return this.#pod(route)
      case 'services':
        return this.#service(route)
      default:
        return this.#node(route)
    }
  }

  async #pod({ namespace, name }: Route): Promise<Target> {
    const { scheme, name: podName, port } = parseReference(name, 'pod')
    const pod = await this.#options.reader.get(podResource, namespace, podName)
    if (!pod) throw newNotFound(podResource, podName)
    const ports = pod.spec.containers.flatMap((c) => c.ports ?? [])
    const named = ports.find((p) => p.name === port)?.containerPort
    const number = port === '' ? (ports[0]?.containerPort ?? (scheme === 'https' ? 443 : 80)) : (named ?? Number(port))
    if (!Number.isInteger(number) || number < 1 || number > 65_535) throw newBadRequest(`invalid pod request ${JSON.stringify(name)}`)
    return target(pod.status?.podIPs?.[0]?.ip ?? '', number, scheme)
  }

  async #node({ name }: Route): Promise<Target> {
    const { scheme, name: nodeName, port } = parseReference(name, 'node')
    const kubelet = await this.#options.kubelets.ofNode(nodeName)
    // A node says itself what its address is: it must not be this server (CVE-2022-3294).
    checkProxyable(kubelet.host)
    if (port === '' || Number(port) === kubelet.port) return kubelet
    return target(kubelet.host, Number(port), scheme)
  }

  async #service({ namespace, name }: Route): Promise<Target> {
    const { scheme, name: serviceName, port } = parseReference(name, 'service')
    const service = await this.#options.reader.get(serviceResource, namespace, serviceName)
    if (!service) throw newNotFound(serviceResource, serviceName)
    const slices = await this.#options.reader.list(endpointslices, namespace, `kubernetes.io/service-name=${serviceName}`)
    if (slices.length === 0) throw newNotFound(serviceResource, serviceName)
    const backends = backendsOf(slices, portNameOf(service, port))
    const backend = backends[Math.floor(Math.random() * backends.length)]
    if (!backend) throw newServiceUnavailable(`no endpoints available for service ${JSON.stringify(serviceName)}`)
    return target(backend.host, backend.port, scheme)
  }
}

/** The name of the service's port that is meant: by name or number, or its only one. */
function portNameOf(service: Service, wanted: string): string | undefined {
  const ports = service.spec?.ports ?? []
  const found: ServicePort | undefined = wanted === '' ? ports[0] : ports.find((p) => p.name === wanted || String(p.port) === wanted)
  if (!found && wanted !== '')
    throw newServiceUnavailable(`no service port ${JSON.stringify(wanted)} found for service ${JSON.stringify(service.metadata.name)}`)
  return found?.name
}

/** Every ready address with its port. Pure. */
export function backendsOf(slices: readonly EndpointSlice[], portName: string | undefined): { host: string; port: number }[] {
  return slices.flatMap((slice) => {
    const port = (slice.ports ?? []).find((p) => (p.name ?? '') === (portName ?? ''))?.port
    if (port === undefined) return []
    const ready = (slice.endpoints ?? []).filter((e) => e.conditions?.ready !== false)
    return ready.flatMap((e) => e.addresses.map((host) => ({ host, port })))
  })
}
