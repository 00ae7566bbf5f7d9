/** Tables of services, what they lead to, and what leads to them. */
import type { Endpoints, LoadBalancerIngress, Service } from '../../api/kinds/core/v1.ts'
import type { EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import type { IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR } from '../../api/kinds/networking/v1.ts'
import { age, name, named, printer, text, wide, type Printers } from './columns.ts'
import { formatLabelSelector, formatLabels, markDefault, since, withMore } from './format.ts'

/** How many of a list are shown. */
const SHOWN = 3

/** Addresses of a load balancer, sorted. */
function balancerAddresses(ingress: readonly Pick<LoadBalancerIngress, 'ip' | 'hostname'>[] | undefined): string {
  const addresses = (ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').filter(Boolean)
  return [...new Set(addresses)].sort().join(',')
}

function externalIp({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? []
  switch (spec?.type) {
    case 'ClusterIP':
    case 'NodePort':
      return external.join(',') || '<none>'
    case 'LoadBalancer':
      return [balancerAddresses(status?.loadBalancer?.ingress), ...external].filter(Boolean).join(',') || '<pending>'
    case 'ExternalName':
      return spec.externalName ?? ''
    default:
      return '<unknown>'
  }
}

function servicePorts({ spec }: Service): string {
  const ports = (spec?.ports ?? []).map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`)
  return ports.join(',') || '<none>'
}

function endpoints({ subsets = [] }: Endpoints): string {
  const hostPort = (ip: string, port: number): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)
  const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0 ? addresses.map(({ ip }) => ip) : ports.flatMap(({ port }) => addresses.map(({ ip }) => hostPort(ip, port))),
  )
  return subsets.length === 0 ? '<none>' : withMore(all, SHOWN, '')
}

function slicePorts({ ports }: EndpointSlice): string {
  const shown = (ports ?? []).map(({ port, name: portName }) => (port === undefined ? (portName ?? '*') : String(port)))
  return withMore(shown, SHOWN)
}

function sliceAddresses({ endpoints: all }: EndpointSlice): string {
  const shown = (all ?? []).flatMap(({ addresses }) => addresses)
  return withMore(shown, SHOWN)
}

/** Rules without a host are not shown, but count among those that there are more of. */
function hosts({ spec }: Ingress): string {
  const rules = spec?.rules ?? []
  const hosted = rules.flatMap(({ host }, at) => (host ? [{ host, at }] : [])).slice(0, SHOWN)
  const shown = hosted.map(({ host }) => host).join(',')
  const more = (hosted[SHOWN - 1]?.at ?? rules.length) < rules.length - 1
  return more ? `${shown} + ${rules.length - SHOWN} more...` : shown || '*'
}

function classParameters({ spec }: IngressClass): string {
  const parameters = spec?.parameters
  if (!parameters) return '<none>'
  return `${parameters.kind}${parameters.apiGroup === undefined ? '' : `.${parameters.apiGroup}`}/${parameters.name}`
}

function parentOf({ spec }: IPAddress): string {
  const parent = spec?.parentRef
  if (!parent) return '<none>'
  const resource = (parent.group ? `${parent.resource}.${parent.group}` : (parent.resource ?? '')).toLowerCase()
  return [resource, ...(parent.namespace ? [parent.namespace] : []), parent.name ?? ''].join('/')
}

const ipAddress = printer<IPAddress>(name, text('ParentRef', parentOf))

export const networkingPrinters: Printers = {
  '/services': printer<Service>(
    name,
    text('Type', ({ spec }) => spec?.type ?? ''),
    text('Cluster-IP', ({ spec }) => spec?.clusterIPs?.[0] ?? '<none>'),
    text('External-IP', externalIp),
    text('Port(s)', servicePorts),
    age,
    wide(text('Selector', ({ spec }) => formatLabels(spec?.selector))),
  ),
  '/endpoints': printer<Endpoints>(name, text('Endpoints', endpoints), age),
  'discovery.k8s.io/endpointslices': printer<EndpointSlice>(
    name,
    text('AddressType', ({ addressType }) => addressType ?? ''),
    text('Ports', slicePorts),
    text('Endpoints', sliceAddresses),
    age,
  ),
  'networking.k8s.io/ingresses': printer<Ingress>(
    name,
    text('Class', ({ spec }) => spec?.ingressClassName ?? '<none>'),
    text('Hosts', hosts),
    text('Address', ({ status }) => balancerAddresses(status?.loadBalancer?.ingress)),
    text('Ports', ({ spec }) => (spec?.tls?.length ? '80, 443' : '80')),
    age,
  ),
  'networking.k8s.io/ingressclasses': printer<IngressClass>(
    named((o) => markDefault(o, 'ingressclass.kubernetes.io/is-default-class')),
    text('Controller', ({ spec }) => spec?.controller ?? ''),
    text('Parameters', classParameters),
    age,
  ),
  'networking.k8s.io/networkpolicies': printer<NetworkPolicy>(
    name,
    text('Pod-Selector', ({ spec }) => formatLabelSelector(spec?.podSelector)),
    age,
  ),
  'networking.k8s.io/servicecidrs': printer<ServiceCIDR>(
    name,
    text('CIDRs', ({ spec }) => (spec?.cidrs ?? []).join(',')),
    age,
  ),
  // Upstream prints an age here that it declares no column for.
  'networking.k8s.io/ipaddresses': {
    ...ipAddress,
    cells: (o, nowMs) => [...ipAddress.cells(o, nowMs), since(o.metadata.creationTimestamp, nowMs)],
  },
}
