/** The `kube-dns` Service, whose one endpoint is the node's DNS server, at its address of each IP family. */
import { familyOf, IPV4 } from '../base/ipFamily.ts'
import { isAlreadyExists, isNotFound } from '../api/status.ts'
import { services, type Service } from '../api/kinds/core/v1.ts'
import { endpointslices, type EndpointSlice } from '../api/kinds/discovery/v1.ts'
import type { Draft } from '../api/resource.ts'
import type { Client } from '../client/client.ts'

const NAMESPACE = 'kube-system'
const NAME = 'kube-dns'
const LABELS = { 'k8s-app': NAME, 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' }

/** What scrapers look for, as in clusters made by kubeadm. */
const ANNOTATIONS = { 'prometheus.io/port': '9153', 'prometheus.io/scrape': 'true' }

/** Where the node listens. */
interface Ports {
  dns: number
  metrics: number
}

interface Place {
  client: Client
  nodeName: string
  nodeIps: readonly string[]
  clusterDns: string
}

const portsOf = ({ dns, metrics }: Ports): NonNullable<Service['spec']['ports']> => [
  { name: 'dns', port: 53, protocol: 'UDP', targetPort: dns },
  { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: dns },
  { name: 'metrics', port: 9153, protocol: 'TCP', targetPort: metrics },
]

function serviceOf({ clusterDns, nodeIps }: Place, ports: Ports): Draft<Service> {
  return {
    metadata: { name: NAME, namespace: NAMESPACE, labels: LABELS, annotations: ANNOTATIONS },
    spec: {
      clusterIP: clusterDns,
      ...(nodeIps.length > 1 && { ipFamilyPolicy: 'PreferDualStack' }),
      ports: portsOf(ports),
    },
  }
}

const sliceName = (nodeName: string, ip: string): string => `${NAME}-${nodeName}${familyOf(ip) === IPV4 ? '' : '-ipv6'}`

function sliceOf({ nodeName }: Place, ip: string, { dns, metrics }: Ports): Draft<EndpointSlice> {
  return {
    metadata: {
      name: sliceName(nodeName, ip),
      namespace: NAMESPACE,
      labels: { ...LABELS, 'kubernetes.io/service-name': NAME, 'endpointslice.kubernetes.io/managed-by': 'dns.minicube' },
    },
    addressType: familyOf(ip).name,
    endpoints: [{ addresses: [ip], conditions: { ready: true, serving: true, terminating: false }, nodeName }],
    ports: [
      { name: 'dns', port: dns, protocol: 'UDP' },
      { name: 'dns-tcp', port: dns, protocol: 'TCP' },
      { name: 'metrics', port: metrics, protocol: 'TCP' },
    ],
  }
}

export async function publishDnsService(place: Place, ports: Ports, signal: AbortSignal): Promise<void> {
  const { client } = place
  try {
    // Asked first: a Service that is there is refused for its taken address, before its name is looked at.
    const { spec } = await client.get(services, { namespace: NAMESPACE, name: NAME, signal })
    // One that an earlier version made.
    if (!spec.ports?.some(({ name }) => name === 'metrics')) {
      const at = { namespace: NAMESPACE, name: NAME, type: 'application/merge-patch+json', signal } as const
      await client.patch(services, at, { metadata: { annotations: ANNOTATIONS }, spec: { ports: portsOf(ports) } })
    }
  } catch (missing) {
    if (!isNotFound(missing)) throw missing
    await client.create(services, serviceOf(place, ports), { signal })
  }
  for (const ip of place.nodeIps) await publishSlice(place, ip, ports, signal)
}

async function publishSlice(place: Place, ip: string, given: Ports, signal: AbortSignal): Promise<void> {
  const { client, nodeName } = place
  const slice = sliceOf(place, ip, given)
  try {
    await client.create(endpointslices, slice, { signal })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    // The node may have another address than when the slice was made.
    const at = { namespace: NAMESPACE, name: sliceName(nodeName, ip), signal }
    const { endpoints, ports } = slice
    await client.patch(endpointslices, { ...at, type: 'application/merge-patch+json' }, { endpoints, ports })
  }
}
