/**
 * Services as an nftables rule set, computed purely: verdict maps from address and port to one chain for each service port,
 * so that a packet's cost does not grow with the number of services.
 */
import { createHash } from 'node:crypto'
import type { EndpointSlice } from '../api/kinds/discovery/v1.ts'
import type { Service, ServicePort } from '../api/kinds/core/v1.ts'
import { endpointsFor, type Endpoint } from './endpoints.ts'

/** The variable part of the table: its chains' rules, its maps' and sets' elements. */
export interface Ruleset {
  /** Rules by chain. */
  chains: Map<string, readonly string[]>
  /** Sets that chains write to while packets pass (session affinity), by name, with their timeout in seconds. */
  affinitySets: Map<string, number>
  /** `address . protocol . port` → chain. */
  serviceIps: Map<string, string>
  /** `protocol . port` → chain. */
  nodePorts: Map<string, string>
  /** `address . protocol . port` of service addresses that nobody serves: refused at once. */
  noEndpoints: Set<string>
  /** `protocol . port` likewise. */
  noEndpointNodePorts: Set<string>
  /** Pod addresses that may reach themselves through a service: such packets need a rewritten source. */
  hairpin: Set<string>
}

export function emptyRuleset(): Ruleset {
  return {
    chains: new Map(),
    affinitySets: new Map(),
    serviceIps: new Map(),
    nodePorts: new Map(),
    noEndpoints: new Set(),
    noEndpointNodePorts: new Set(),
    hairpin: new Set(),
  }
}

export interface RulesetInput {
  services: readonly Service[]
  /** The slices of a service, by `namespace/name`. */
  slicesOf(key: string): readonly EndpointSlice[]
  nodeName: string
}

const DEFAULT_AFFINITY_SECONDS = 10_800

function hash(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16)
}

function isProxied(service: Service): boolean {
  const { type, clusterIP } = service.spec
  return type !== 'ExternalName' && clusterIP !== undefined && clusterIP !== '' && clusterIP !== 'None'
}

class RulesetBuilder {
  readonly ruleset = emptyRuleset()

  addPort(service: Service, port: ServicePort, slices: readonly EndpointSlice[], nodeName: string): void {
    const protocol = (port.protocol ?? 'TCP').toLowerCase()
    const endpoints = endpointsFor(service, port, slices, nodeName)
    const { name, namespace } = service.metadata
    const id = hash(namespace, name, port.name ?? '', protocol, String(port.port))
    const { ruleset } = this
    for (const { ip } of [...endpoints.internal, ...endpoints.external]) ruleset.hairpin.add(`${ip} . ${ip}`)

    const { spec, status } = service
    this.#direct(
      spec.clusterIPs ?? [spec.clusterIP ?? ''],
      protocol,
      port.port,
      this.#chain(`svc_${id}`, service, protocol, endpoints.internal),
    )
    const outside = [...(spec.externalIPs ?? []), ...(status?.loadBalancer?.ingress ?? []).map((i) => i.ip ?? '')].filter(Boolean)
    if (outside.length === 0 && !port.nodePort) return
    const chain = this.#chain(`ext_${id}`, service, protocol, endpoints.external)
    this.#direct(outside, protocol, port.port, chain)
    if (!port.nodePort) return
    if (chain) ruleset.nodePorts.set(`${protocol} . ${port.nodePort}`, chain)
    else ruleset.noEndpointNodePorts.add(`${protocol} . ${port.nodePort}`)
  }

  #direct(addresses: readonly string[], protocol: string, port: number, chain: string | undefined): void {
    for (const address of addresses) {
      if (address.includes(':')) continue
      const element = `${address} . ${protocol} . ${port}`
      if (chain) this.ruleset.serviceIps.set(element, chain)
      else this.ruleset.noEndpoints.add(element)
    }
  }

  /** The chain that spreads over `endpoints`; undefined when there are none. */
  #chain(name: string, service: Service, protocol: string, endpoints: readonly Endpoint[]): string | undefined {
    if (endpoints.length === 0) return undefined
    const { chains } = this.ruleset
    if (service.spec.sessionAffinity === 'ClientIP') {
      const timeoutSeconds = service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS
      const targets = endpoints.map(({ ip, port }) => {
        const id = hash(name, ip, String(port), String(timeoutSeconds))
        this.ruleset.affinitySets.set(`aff_${id}`, timeoutSeconds)
        chains.set(`ep_${id}`, [`update @aff_${id} { ip saddr }`, `meta l4proto ${protocol} dnat to ${ip}:${port}`])
        return id
      })
      chains.set(name, [
        ...targets.map((id) => `ip saddr @aff_${id} goto ep_${id}`),
        `numgen random mod ${targets.length} vmap { ${targets.map((id, i) => `${i} : goto ep_${id}`).join(', ')} }`,
      ])
      return name
    }
    const map = endpoints.map(({ ip, port }, i) => `${i} : ${ip} . ${port}`).join(', ')
    chains.set(name, [`meta l4proto ${protocol} dnat to numgen random mod ${endpoints.length} map { ${map} }`])
    return name
  }
}

export function buildRuleset({ services, slicesOf, nodeName }: RulesetInput): Ruleset {
  const builder = new RulesetBuilder()
  for (const service of services) {
    if (!isProxied(service)) continue
    const slices = slicesOf(`${service.metadata.namespace}/${service.metadata.name}`)
    for (const port of service.spec.ports ?? []) builder.addPort(service, port, slices, nodeName)
  }
  return builder.ruleset
}
