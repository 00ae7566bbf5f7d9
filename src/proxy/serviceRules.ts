/**
 * What one Service puts into the nftables table, computed purely: verdict maps lead from address and port to one chain for
 * each service port, so that a packet's cost does not grow with the number of services.
 */
import { createHash } from 'node:crypto'
import type { EndpointSlice } from '../api/kinds/discovery/v1.ts'
import type { Service, ServicePort } from '../api/kinds/core/v1.ts'
import { endpointsFor, type Endpoint, type NodePlace } from './endpoints.ts'

/** The table's shared maps and sets, to which every service adds elements. */
export const SHARED_MAPS = {
  /** Where packets for a service address go. */
  service_ips: 'ipv4_addr . inet_proto . inet_service : verdict',
  service_nodeports: 'inet_proto . inet_service : verdict',
  /** Nobody answers there: refused, or dropped where another node's endpoints would answer. */
  no_endpoints: 'ipv4_addr . inet_proto . inet_service : verdict',
  no_endpoint_nodeports: 'inet_proto . inet_service : verdict',
  /** Load balancer addresses that only some sources may use. */
  firewall_ips: 'ipv4_addr . inet_proto . inet_service : verdict',
  /** Pod addresses that may reach themselves through a service: such packets need a rewritten source. A map, for its owners. */
  hairpin: 'ipv4_addr . ipv4_addr : verdict',
} as const

export type SharedMap = keyof typeof SHARED_MAPS

export interface ServiceRules {
  /** Rules by chain; the names are this service's own. */
  chains: ReadonlyMap<string, readonly string[]>
  /** Sets that chains write to while packets pass (session affinity), by name, with their timeout in seconds. */
  affinitySets: ReadonlyMap<string, number>
  elements: Readonly<Record<SharedMap, ReadonlyMap<string, string>>>
  /** The UDP addresses of the service and who answers there: connection tracking must forget who no longer does. */
  udp: ReadonlyMap<string, readonly string[]>
}

/** Chains of the fixed part that elements lead to. */
export const REFUSE = 'goto refuse'
const DROP = 'drop'
const MASQUERADE = 'goto masquerade_it'
const DEFAULT_AFFINITY_SECONDS = 10_800

export interface RulesContext extends NodePlace {
  /** Ranges of the cluster's pods: inside, wherever a packet is addressed to. */
  podCidrs: readonly string[]
}

function hash(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16)
}

export function isProxied(service: Service): boolean {
  const { type, clusterIP } = service.spec
  return type !== 'ExternalName' && clusterIP !== undefined && clusterIP !== '' && clusterIP !== 'None'
}

const isIpv4 = (address: string): boolean => !address.includes(':')

class ServiceRulesBuilder {
  readonly #service: Service
  readonly #context: RulesContext
  readonly chains = new Map<string, readonly string[]>()
  readonly affinitySets = new Map<string, number>()
  readonly udp = new Map<string, readonly string[]>()
  readonly elements = {
    service_ips: new Map<string, string>(),
    service_nodeports: new Map<string, string>(),
    no_endpoints: new Map<string, string>(),
    no_endpoint_nodeports: new Map<string, string>(),
    firewall_ips: new Map<string, string>(),
    hairpin: new Map<string, string>(),
  }

  constructor(service: Service, context: RulesContext) {
    this.#service = service
    this.#context = context
  }

  addPort(port: ServicePort, slices: readonly EndpointSlice[]): void {
    const { name, namespace } = this.#service.metadata
    const protocol = (port.protocol ?? 'TCP').toLowerCase()
    const endpoints = endpointsFor(this.#service, port, slices, this.#context)
    const id = hash(namespace, name, port.name ?? '', protocol, String(port.port))
    for (const { ip } of [...endpoints.internal, ...endpoints.external]) this.elements.hairpin.set(`${ip} . ${ip}`, MASQUERADE)

    const { spec, status } = this.#service
    const none = endpoints.all.length > 0 ? DROP : REFUSE
    const inside = this.#balanced(`svc_${id}`, protocol, endpoints.internal)
    this.#direct((spec.clusterIPs ?? [spec.clusterIP ?? '']).filter(isIpv4), protocol, port.port, inside, inside ? undefined : none)
    this.#noteUdp(protocol, spec.clusterIPs ?? [], port.port, endpoints.internal)

    const balancers = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) =>
      ip && isIpv4(ip) && ipMode !== 'Proxy' ? [ip] : [],
    )
    const outside = [...(spec.externalIPs ?? []).filter(isIpv4), ...balancers]
    if (outside.length === 0 && !port.nodePort) return
    const chain = this.#external(id, protocol, endpoints.external, spec.externalTrafficPolicy === 'Local' ? inside : undefined)
    const missing = endpoints.external.length === 0 ? none : undefined
    this.#direct(outside, protocol, port.port, chain, missing)
    this.#noteUdp(protocol, outside, port.port, endpoints.external)
    this.#guard(id, protocol, port.port, balancers)
    if (!port.nodePort) return
    const element = `${protocol} . ${port.nodePort}`
    if (chain) this.elements.service_nodeports.set(element, `goto ${chain}`)
    if (missing) this.elements.no_endpoint_nodeports.set(element, missing)
    if (protocol === 'udp')
      this.udp.set(
        `:${port.nodePort}`,
        endpoints.external.map(({ ip }) => ip),
      )
  }

  #direct(addresses: readonly string[], protocol: string, port: number, chain: string | undefined, missing: string | undefined): void {
    for (const address of addresses) {
      const element = `${address} . ${protocol} . ${port}`
      if (chain) this.elements.service_ips.set(element, `goto ${chain}`)
      if (missing) this.elements.no_endpoints.set(element, missing)
    }
  }

  #noteUdp(protocol: string, addresses: readonly string[], port: number, endpoints: readonly Endpoint[]): void {
    if (protocol !== 'udp') return
    for (const address of addresses.filter(isIpv4))
      this.udp.set(
        `${address}:${port}`,
        endpoints.map(({ ip }) => ip),
      )
  }

  /**
   * What comes from outside. With a `Local` policy that is for endpoints of this node only, while pods and the node itself
   * take the way of the cluster address: they are inside, whichever address they ask.
   */
  #external(id: string, protocol: string, endpoints: readonly Endpoint[], inside: string | undefined): string | undefined {
    const chain = this.#balanced(`ext_${id}`, protocol, endpoints)
    if (!inside) return chain
    const { podCidrs } = this.#context
    const name = `local_${id}`
    this.chains.set(name, [
      ...podCidrs.filter(isIpv4).map((cidr) => `ip saddr ${cidr} goto ${inside}`),
      `fib saddr type local goto ${inside}`,
      ...(chain ? [`goto ${chain}`] : []),
    ])
    return name
  }

  /** loadBalancerSourceRanges: the others' packets to the load balancer's addresses are dropped. */
  #guard(id: string, protocol: string, port: number, addresses: readonly string[]): void {
    const ranges = (this.#service.spec.loadBalancerSourceRanges ?? []).map((range) => range.trim()).filter(isIpv4)
    if (ranges.length === 0 || addresses.length === 0 || ranges.some((range) => range.endsWith('/0'))) return
    const chain = `fw_${id}`
    this.chains.set(chain, [`ip saddr { ${ranges.join(', ')} } return`, 'fib saddr type local return', 'drop'])
    for (const address of addresses) this.elements.firewall_ips.set(`${address} . ${protocol} . ${port}`, `goto ${chain}`)
  }

  /** The chain that spreads over `endpoints`; undefined when there are none. */
  #balanced(name: string, protocol: string, endpoints: readonly Endpoint[]): string | undefined {
    if (endpoints.length === 0) return undefined
    const { spec } = this.#service
    if (spec.sessionAffinity === 'ClientIP') return this.#sticky(name, protocol, endpoints)
    const map = endpoints.map(({ ip, port }, i) => `${i} : ${ip} . ${port}`).join(', ')
    this.chains.set(name, [`meta l4proto ${protocol} dnat to numgen random mod ${endpoints.length} map { ${map} }`])
    return name
  }

  #sticky(name: string, protocol: string, endpoints: readonly Endpoint[]): string {
    const timeoutSeconds = this.#service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS
    const ids = endpoints.map(({ ip, port }) => {
      const id = hash(name, ip, String(port), String(timeoutSeconds))
      this.affinitySets.set(`aff_${id}`, timeoutSeconds)
      this.chains.set(`ep_${id}`, [`update @aff_${id} { ip saddr }`, `meta l4proto ${protocol} dnat to ${ip}:${port}`])
      return id
    })
    this.chains.set(name, [
      ...ids.map((id) => `ip saddr @aff_${id} goto ep_${id}`),
      `numgen random mod ${ids.length} vmap { ${ids.map((id, i) => `${i} : goto ep_${id}`).join(', ')} }`,
    ])
    return name
  }
}

/** The rules of a service that has an address; of another one, none. */
export function serviceRules(service: Service, slices: readonly EndpointSlice[], context: RulesContext): ServiceRules {
  const builder = new ServiceRulesBuilder(service, context)
  if (isProxied(service)) for (const port of service.spec.ports ?? []) builder.addPort(port, slices)
  const { chains, affinitySets, elements, udp } = builder
  return { chains, affinitySets, elements, udp }
}
