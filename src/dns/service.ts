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

interface Place {
  client: Client
  nodeName: string
  nodeIps: readonly string[]
  clusterDns: string
}

function serviceOf({ clusterDns, nodeIps }: Place, targetPort: number): Draft<Service> {
  return {
    metadata: { name: NAME, namespace: NAMESPACE, labels: LABELS },
    spec: {
      clusterIP: clusterDns,
      ...(nodeIps.length > 1 && { ipFamilyPolicy: 'PreferDualStack' }),
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort },
      ],
    },
  }
}

const sliceName = (nodeName: string, ip: string): string => `${NAME}-${nodeName}${familyOf(ip) === IPV4 ? '' : '-ipv6'}`

function sliceOf({ nodeName }: Place, ip: string, port: number): Draft<EndpointSlice> {
  return {
    metadata: {
      name: sliceName(nodeName, ip),
      namespace: NAMESPACE,
      labels: { ...LABELS, 'kubernetes.io/service-name': NAME, 'endpointslice.kubernetes.io/managed-by': 'dns.minicube' },
    },
    addressType: familyOf(ip).name,
    endpoints: [{ addresses: [ip], conditions: { ready: true, serving: true, terminating: false }, nodeName }],
    ports: [
      { name: 'dns', port, protocol: 'UDP' },
      { name: 'dns-tcp', port, protocol: 'TCP' },
    ],
  }
}

export async function publishDnsService(place: Place, port: number, signal: AbortSignal): Promise<void> {
  const { client } = place
  try {
    // Asked first: a Service that is there is refused for its taken address, before its name is looked at.
    await client.get(services, { namespace: NAMESPACE, name: NAME, signal })
  } catch (missing) {
    if (!isNotFound(missing)) throw missing
    await client.create(services, serviceOf(place, port), { signal })
  }
  for (const ip of place.nodeIps) await publishSlice(place, ip, port, signal)
}

async function publishSlice(place: Place, ip: string, port: number, signal: AbortSignal): Promise<void> {
  const { client, nodeName } = place
  const slice = sliceOf(place, ip, port)
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
