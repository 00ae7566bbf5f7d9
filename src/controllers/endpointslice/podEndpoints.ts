/** What of a Service's pods goes into its EndpointSlices and Endpoints. */
import type { Pod, Service, ServicePort } from '../../api/kinds/core/v1.ts'
import { selectsAll } from '../../api/selectors.ts'
import { hasFinished } from '../../api/pods.ts'
import type { Informer } from '../../client/informer.ts'

export interface ResolvedPort {
  name: string
  protocol: string
  port: number
  appProtocol?: string
}

function resolvePort(servicePort: ServicePort, pod: Pod): number | undefined {
  const { targetPort, protocol = 'TCP', port } = servicePort
  if (targetPort === undefined || targetPort === 0 || targetPort === '') return port
  if (typeof targetPort === 'number') return targetPort
  const sidecars = (pod.spec.initContainers ?? []).filter((container) => container.restartPolicy === 'Always')
  for (const container of [...pod.spec.containers, ...sidecars]) {
    const found = container.ports?.find((candidate) => candidate.name === targetPort && (candidate.protocol ?? 'TCP') === protocol)
    if (found) return found.containerPort
  }
  return undefined
}

/** The Service's ports as this pod has them; a port whose name the pod does not know is left out. */
export function portsOf(service: Service, pod: Pod): ResolvedPort[] {
  const ports: ResolvedPort[] = []
  for (const servicePort of service.spec?.ports ?? []) {
    const port = resolvePort(servicePort, pod)
    if (port === undefined) continue
    const { name = '', protocol = 'TCP', appProtocol } = servicePort
    ports.push({ name, protocol, port, ...(appProtocol && { appProtocol }) })
  }
  return ports
}

export function portsKey(ports: readonly ResolvedPort[]): string {
  return ports
    .map((p) => [p.name, p.protocol, p.port, p.appProtocol].join('/'))
    .sort()
    .join(',')
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None'
}

export function hasSelector(service: Service): boolean {
  return Object.keys(service.spec?.selector ?? {}).length > 0 && service.spec?.type !== 'ExternalName'
}

export function familyOf(ip: string): 'IPv4' | 'IPv6' {
  return ip.includes(':') ? 'IPv6' : 'IPv4'
}

export function ipsOf(pod: Pod): string[] {
  const ips = pod.status?.podIPs?.map(({ ip }) => ip) ?? []
  return ips.length > 0 ? ips : pod.status?.podIP ? [pod.status.podIP] : []
}

function hasIp({ status }: Pod): boolean {
  return (status?.podIPs?.length ?? 0) > 0 || Boolean(status?.podIP)
}

/** The pod's name in the DNS, where it asked for one under this Service. */
export function hostnameOf(service: Service, pod: Pod): string | undefined {
  return pod.spec.hostname && pod.spec.subdomain === service.metadata.name ? pod.spec.hostname : undefined
}

export function selectedPods(service: Service, pods: Informer<Pod>): Pod[] {
  const selector = service.spec?.selector ?? {}
  return pods.list(service.metadata.namespace).filter((pod) => selectsAll(selector, pod.metadata.labels) && !hasFinished(pod) && hasIp(pod))
}

/** Keys of the Services that select the pod. */
export function servicesOf(pod: Pod, services: Informer<Service>): string[] {
  const { namespace, labels } = pod.metadata
  return services
    .list(namespace)
    .filter((service) => hasSelector(service) && selectsAll(service.spec?.selector ?? {}, labels))
    .map((service) => `${namespace}/${service.metadata.name}`)
}

/** Changes of a pod that no endpoint shows are not worth a look. */
export function endpointFacts(pod: Pod): string {
  const { metadata, spec, status } = pod
  const ready = status?.conditions?.find((condition) => condition.type === 'Ready')?.status
  return JSON.stringify([metadata.labels, metadata.deletionTimestamp !== undefined, spec.nodeName, status?.phase, ipsOf(pod), ready])
}
