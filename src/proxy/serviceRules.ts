/**
 * What one Service puts into the nftables table, computed purely: verdict maps lead from address and port to one chain for
 * each service port, so that a packet's cost does not grow with the number of services.
 */
import { createHash } from 'node:crypto'
import type { EndpointSlice } from '../api/kinds/discovery/v1.ts'
import type { Service, ServicePort } from '../api/kinds/core/v1.ts'
import { canonicalAddress, hostPort, isInRange, isOfFamily, parseIpRange, type IpFamily } from '../base/ipFamily.ts'
import { endpointsFor, type Endpoint, type PortEndpoints, type ProxyPlace } from './endpoints.ts'

/** The shared maps and sets of a family's table, to which every service adds elements; `address` stands for the type of its addresses. */
const SHARED_MAPS = {
  /** Where packets for a service address go. */
  service_ips: 'address . inet_proto . inet_service : verdict',
  service_nodeports: 'inet_proto . inet_service : verdict',
  /** Nobody answers there: refused, or dropped where another node's endpoints would answer. */
  no_endpoints: 'address . inet_proto . inet_service : verdict',
  no_endpoint_nodeports: 'inet_proto . inet_service : verdict',
  /** Addresses of services: at other ports than theirs nobody answers. */
  cluster_ips: 'address : verdict',
  /** Load balancer addresses that only some sources may use. */
  firewall_ips: 'address . inet_proto . inet_service : verdict',
  /** Pod addresses that may reach themselves through a service: such packets need a rewritten source. A map, for its owners. */
  hairpin: 'address . address : verdict',
} as const

export type SharedMap = keyof typeof SHARED_MAPS

/** Names and types. */
export function sharedMaps({ nftAddress }: IpFamily): [SharedMap, string][] {
  return Object.entries(SHARED_MAPS).map(([name, type]) => [name as SharedMap, type.replaceAll('address', nftAddress)])
}

export interface ServiceRules {
  /** Rules by chain; the names are this service's own. */
  chains: ReadonlyMap<string, readonly string[]>
  /** Sets that chains write to while packets pass (session affinity), by name, with their timeout in seconds. */
  affinitySets: ReadonlyMap<string, number>
  elements: Readonly<Record<SharedMap, ReadonlyMap<string, string>>>
  /** The UDP addresses of the service and who answers there: connection tracking must forget who no longer does. */
  udp: ReadonlyMap<string, readonly Endpoint[]>
  /** Ports whose endpoints are all elsewhere, where the policy wants one on this node. */
  withoutLocal: Readonly<Record<'internal' | 'external', number>>
}

/** Chains of the fixed part that elements lead to. */
export const REFUSE = 'goto refuse'
const DROP = 'drop'
const MASQUERADE = 'goto masquerade_it'
const DEFAULT_AFFINITY_SECONDS = 10_800

/** kube-proxy's own mark on packets that leave under the node's address (its masqueradeBit 14). */
export const SOURCE_MARK = '0x4000'
const REWRITE_SOURCE = `meta mark set meta mark or ${SOURCE_MARK}`

/** One port of the service: its name among the chains, and nftables' word for the protocol. */
interface Way {
  id: string
  protocol: string
}

export interface RulesContext extends ProxyPlace {
  /** Ranges of the cluster's pods: inside, wherever a packet is addressed to. */
  podCidrs: readonly string[]
}

function hash(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16)
}

const LABELS_OF_OTHERS = ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless']

/** Whether a service, or a slice of endpoints, is another proxy's or nobody's. */
export function isOfAnotherProxy(labels: Readonly<Record<string, string>> = {}): boolean {
  return LABELS_OF_OTHERS.some((label) => label in labels)
}

/** Whether the service has an address, which then is of the family, and is ours to lead somewhere. */
export function isProxied({ metadata: { labels }, spec }: Service, family: IpFamily): boolean {
  if (isOfAnotherProxy(labels)) return false
  return spec.type !== 'ExternalName' && clusterIps(spec).some(isOfFamily(family))
}

function clusterIps({ clusterIPs, clusterIP = '' }: Service['spec']): string[] {
  return (clusterIPs ?? [clusterIP]).filter((ip) => ip !== '' && ip !== 'None').map(canonicalAddress)
}

class ServiceRulesBuilder {
  readonly #service: Service
  readonly #context: RulesContext
  readonly #isOurs: (addressOrRange: string) => boolean
  readonly chains = new Map<string, readonly string[]>()
  readonly affinitySets = new Map<string, number>()
  readonly udp = new Map<string, readonly Endpoint[]>()
  readonly withoutLocal = { internal: 0, external: 0 }
  readonly elements = {
    service_ips: new Map<string, string>(),
    service_nodeports: new Map<string, string>(),
    no_endpoints: new Map<string, string>(),
    no_endpoint_nodeports: new Map<string, string>(),
    cluster_ips: new Map<string, string>(),
    firewall_ips: new Map<string, string>(),
    hairpin: new Map<string, string>(),
  }

  constructor(service: Service, context: RulesContext) {
    this.#service = service
    this.#context = context
    this.#isOurs = isOfFamily(context.family)
  }

  addPort(port: ServicePort, slices: readonly EndpointSlice[]): void {
    const { name, namespace } = this.#service.metadata
    const protocol = (port.protocol ?? 'TCP').toLowerCase()
    const endpoints = endpointsFor(this.#service, port, slices, this.#context)
    const id = hash(namespace, name, port.name ?? '', protocol, String(port.port))
    for (const { ip } of [...endpoints.internal, ...endpoints.cluster]) this.elements.hairpin.set(`${ip} . ${ip}`, MASQUERADE)

    const { spec, status } = this.#service
    const none = endpoints.all.length > 0 ? DROP : REFUSE
    const way = { id, protocol }
    const inside = this.#balanced(`svc_${id}`, way, endpoints.internal, this.#fromOutside())
    if (endpoints.internal.length === 0 && none === DROP) this.withoutLocal.internal++
    const own = clusterIps(spec).filter(this.#isOurs)
    for (const ip of own) this.elements.cluster_ips.set(ip, REFUSE)
    this.#direct(own, protocol, port.port, inside, inside ? undefined : none)
    this.#noteUdp(protocol, own, port.port, endpoints.internal)

    const balancers = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) =>
      ip && this.#isOurs(ip) && ipMode !== 'Proxy' ? [canonicalAddress(ip)] : [],
    )
    const externalIPs = (spec.externalIPs ?? []).filter(this.#isOurs).map(canonicalAddress)
    const outside = [...externalIPs, ...balancers]
    if (outside.length === 0 && !port.nodePort) return
    const chain = this.#external(way, endpoints)
    const missing = endpoints.external.length === 0 ? none : undefined
    if (missing === DROP) this.withoutLocal.external++
    const answering = [...endpoints.external, ...endpoints.cluster]
    this.#direct(externalIPs, protocol, port.port, chain, missing)
    this.#direct(balancers, protocol, port.port, balancers.length > 0 ? this.#balancing(way, endpoints, chain) : chain, missing)
    this.#noteUdp(protocol, outside, port.port, answering)
    this.#guard(id, protocol, port.port, balancers)
    if (!port.nodePort) return
    const element = `${protocol} . ${port.nodePort}`
    if (chain) this.elements.service_nodeports.set(element, `goto ${chain}`)
    if (missing) this.elements.no_endpoint_nodeports.set(element, missing)
    if (protocol === 'udp') this.udp.set(`:${port.nodePort}`, answering)
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
    for (const address of addresses) this.udp.set(`${address}:${port}`, endpoints)
  }

  /**
   * What comes from outside. It may go on to another node, and the answer must come back this way: its source is rewritten. With
   * a `Local` policy it goes to endpoints of this node only and keeps its source, while pods and the node itself reach all
   * endpoints: for them no policy counts, as if they went out and came back.
   */
  #external(way: Way, { external, cluster }: PortEndpoints): string | undefined {
    const isLocal = this.#service.spec.externalTrafficPolicy === 'Local'
    const chain = this.#balanced(`ext_${way.id}`, way, external, isLocal ? [] : [REWRITE_SOURCE])
    if (!isLocal) return chain
    const all = this.#balanced(`all_${way.id}`, way, cluster, this.#fromOutside())
    if (!all) return chain
    const { podCidrs, family } = this.#context
    const name = `local_${way.id}`
    this.chains.set(name, [
      ...podCidrs.filter(this.#isOurs).map((cidr) => `${family.nft} saddr ${cidr} goto ${all}`),
      `fib saddr type local goto ${all}`,
      ...(chain ? [`goto ${chain}`] : []),
    ])
    return name
  }

  /**
   * The node that has a load balancer's address as its own is the balancer: with a `Local` policy and no endpoint here it passes
   * on to the nodes that have some, as a cloud's would.
   */
  #balancing({ id }: Way, { external, cluster }: PortEndpoints, chain: string | undefined): string | undefined {
    if (chain === undefined || external.length > 0 || cluster.length === 0) return chain
    const name = `lb_${id}`
    this.chains.set(name, [...(this.chains.get(chain) ?? []), `fib daddr type local ${REWRITE_SOURCE} goto all_${id}`])
    return name
  }

  /** Who is no pod asks from an address that another node's pods would answer directly, past this node. */
  #fromOutside(): string[] {
    const { podCidrs, family } = this.#context
    return [`${family.nft} saddr != { ${podCidrs.filter(this.#isOurs).join(', ')} } ${REWRITE_SOURCE}`]
  }

  /**
   * loadBalancerSourceRanges: the others' packets to the load balancer's addresses are dropped. A node that announces such an address
   * sends from it, and is meant where its own is.
   */
  #guard(id: string, protocol: string, port: number, addresses: readonly string[]): void {
    const ranges = (this.#service.spec.loadBalancerSourceRanges ?? []).map((range) => range.trim()).filter(this.#isOurs)
    if (ranges.length === 0 || addresses.length === 0 || ranges.some((range) => range.endsWith('/0'))) return
    const { family, nodeIps = [] } = this.#context
    const isNodeMeant = nodeIps.filter(this.#isOurs).some((ip) => ranges.some((range) => isInRange(parseIpRange(range), ip)))
    const sources = isNodeMeant ? [...ranges, ...addresses] : ranges
    const chain = `fw_${id}`
    this.chains.set(chain, [`${family.nft} saddr != { ${sources.join(', ')} } drop`])
    for (const address of addresses) this.elements.firewall_ips.set(`${address} . ${protocol} . ${port}`, `goto ${chain}`)
  }

  /** The chain that spreads over `endpoints`, after rules that come first; undefined when there are none. */
  #balanced(name: string, way: Way, endpoints: readonly Endpoint[], first: readonly string[]): string | undefined {
    if (endpoints.length === 0) return undefined
    const spread = this.#service.spec.sessionAffinity === 'ClientIP' ? this.#sticky(way, endpoints) : [evenly(way, endpoints)]
    this.chains.set(name, [...first, ...spread])
    return name
  }

  /** A client keeps its endpoint, by whichever address of the service it asks. */
  #sticky({ id: port, protocol }: Way, endpoints: readonly Endpoint[]): string[] {
    const { nft } = this.#context.family
    const timeoutSeconds = this.#service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS
    const ids = endpoints.map((endpoint) => {
      const id = hash(port, endpoint.ip, String(endpoint.port), String(timeoutSeconds))
      const to = hostPort(endpoint.ip, endpoint.port)
      this.affinitySets.set(`aff_${id}`, timeoutSeconds)
      this.chains.set(`ep_${id}`, [`update @aff_${id} { ${nft} saddr }`, `meta l4proto ${protocol} dnat to ${to}`])
      return id
    })
    return [
      ...ids.map((id) => `${nft} saddr @aff_${id} goto ep_${id}`),
      `numgen random mod ${ids.length} vmap { ${ids.map((id, i) => `${i} : goto ep_${id}`).join(', ')} }`,
    ]
  }
}

function evenly({ protocol }: Way, endpoints: readonly Endpoint[]): string {
  const map = endpoints.map(({ ip, port }, i) => `${i} : ${ip} . ${port}`).join(', ')
  return `meta l4proto ${protocol} dnat to numgen random mod ${endpoints.length} map { ${map} }`
}

/** The rules of a service that has an address; of another one, none. */
export function serviceRules(service: Service, slices: readonly EndpointSlice[], context: RulesContext): ServiceRules {
  const builder = new ServiceRulesBuilder(service, context)
  if (isProxied(service, context.family)) for (const port of service.spec.ports ?? []) builder.addPort(port, slices)
  const { chains, affinitySets, elements, udp, withoutLocal } = builder
  return { chains, affinitySets, elements, udp, withoutLocal }
}
