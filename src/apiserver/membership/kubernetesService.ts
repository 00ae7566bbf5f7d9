/** The `kubernetes` service in `default`, by which pods reach the API servers, its endpoints, and the range that services get addresses of. */
import { familyOf } from '../../base/ipFamily.ts'
import type { ServiceCIDR } from '../../api/kinds/networking/v1.ts'
import type { Endpoints, Service } from '../../api/kinds/core/v1.ts'
import type { EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { isConflict, isNotFound } from '../../api/status.ts'
import type { Draft, KubeObject } from '../../api/resource.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { Loopback } from '../bootstrap/bootstrap.ts'

export interface KubernetesServiceOptions {
  /** The first address of the service range. */
  clusterIp: string
  /** One of each family that services may have. */
  serviceCidrs: readonly string[]
  /** Where the server is reached from inside the cluster. */
  advertise: { address: string; port: number }
}

const NAME = 'kubernetes'
const NAMESPACE = 'default'
const LABELS = { component: 'apiserver', provider: 'kubernetes' }
const PORT = 443

function serviceObject({ clusterIp, advertise }: KubernetesServiceOptions): Draft<Service> {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: NAME, namespace: NAMESPACE, labels: LABELS },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIp,
      clusterIPs: [clusterIp],
      ipFamilies: [familyOf(clusterIp).name],
      ipFamilyPolicy: 'SingleStack',
      sessionAffinity: 'None',
      ports: [{ name: 'https', port: PORT, protocol: 'TCP', targetPort: advertise.port }],
    },
  }
}

function endpointsObject({ advertise }: KubernetesServiceOptions, addresses: readonly string[]): Draft<Endpoints> {
  const subset = { addresses: addresses.map((ip) => ({ ip })), ports: [{ name: 'https', port: advertise.port, protocol: 'TCP' }] }
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: NAME, namespace: NAMESPACE, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: addresses.length > 0 ? [subset] : [],
  }
}

function endpointSliceObject({ advertise }: KubernetesServiceOptions, addresses: readonly string[]): Draft<EndpointSlice> {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: NAME, namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': NAME } },
    addressType: familyOf(advertise.address).name,
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: 'https', port: advertise.port, protocol: 'TCP' }],
  }
}

/** The range of the server's own configuration; a person who changed the object keeps it. */
async function defaultServiceCidr(loopback: Loopback, { serviceCidrs }: KubernetesServiceOptions, now: string): Promise<void> {
  const resource = loopback.resource('networking.k8s.io', 'v1', 'servicecidrs')
  const wanted: Draft<ServiceCIDR> = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: NAME },
    spec: { cidrs: [...serviceCidrs] },
  }
  await loopback.ensure(resource, wanted)
  const existing = (await loopback.send('get', resource, { name: NAME })) as ServiceCIDR
  const known = existing.status?.conditions ?? []
  const isOurs = JSON.stringify(existing.spec?.cidrs) === JSON.stringify(serviceCidrs)
  if (existing.metadata.deletionTimestamp || !isOurs || known.some((condition) => condition.type === 'Ready')) return
  const ready = { type: 'Ready', status: 'True', lastTransitionTime: now, reason: '', message: 'Kubernetes default Service CIDR is ready' }
  await loopback.send('update', resource, {
    name: NAME,
    subresource: 'status',
    body: { ...existing, status: { ...existing.status, conditions: [...known, ready] } },
  })
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

async function put(loopback: Loopback, resource: CatalogResource, wanted: Draft<KubeObject>, field: string): Promise<void> {
  const at = { namespace: NAMESPACE, name: NAME }
  try {
    const existing = await loopback.send('get', resource, at)
    const value = (object: object): unknown => (object as Record<string, unknown>)[field]
    if (JSON.stringify(value(existing)) === JSON.stringify(value(wanted))) return
    await loopback.send('update', resource, { ...at, body: { ...existing, [field]: value(wanted) } })
  } catch (error) {
    // Another server was quicker: the next look tells whether it wrote the same.
    if (isConflict(error)) return
    if (!isNotFound(error)) throw error
    await loopback.ensure(resource, wanted)
  }
}

/** The range and the service, if they are missing. */
export async function kubernetesService(loopback: Loopback, options: KubernetesServiceOptions, now: string): Promise<void> {
  await defaultServiceCidr(loopback, options, now)
  await loopback.ensure(loopback.resource('', 'v1', 'services'), serviceObject(options))
}

/** The endpoints, as they have to be: all servers that are there. */
export async function kubernetesEndpoints(
  loopback: Loopback,
  options: KubernetesServiceOptions,
  addresses: readonly string[],
): Promise<void> {
  // An address that only this machine reaches is no endpoint: the API refuses it, and no pod could use it.
  const reachable = addresses.filter((address) => !isLoopback(address))
  if (isLoopback(options.advertise.address)) return
  await Promise.all([
    put(loopback, loopback.resource('', 'v1', 'endpoints'), endpointsObject(options, reachable), 'subsets'),
    put(loopback, loopback.resource('discovery.k8s.io', 'v1', 'endpointslices'), endpointSliceObject(options, reachable), 'endpoints'),
  ])
}
