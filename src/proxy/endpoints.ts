/**
 * Which endpoints a service port's traffic goes to: upstream's CategorizeEndpoints. Ready ones; where there are none, those
 * that are terminating but still serve. A `Local` policy keeps to endpoints of this node; hints that the EndpointSlices carry
 * keep traffic on the node or in the zone, as long as all of them have one.
 */
import { canonicalAddress, type IpFamily } from '../base/ipFamily.ts'
import type { EndpointSlice } from '../api/kinds/discovery/v1.ts'
import type { Service, ServicePort } from '../api/kinds/core/v1.ts'

export interface Endpoint {
  ip: string
  port: number
}

export interface PortEndpoints {
  /** For traffic from inside the cluster. */
  internal: readonly Endpoint[]
  /** For traffic from outside (node ports, load balancer and external addresses). */
  external: readonly Endpoint[]
  /** For pods and the node itself when they ask an address that leads outside: no policy is for them. */
  cluster: readonly Endpoint[]
  /** Of the whole cluster: whether the service has any at all. */
  all: readonly Endpoint[]
}

/** Where this proxy runs. */
export interface NodePlace {
  nodeName: string
  /** Of the node itself, of all families. */
  nodeIps?: readonly string[]
  /** topology.kubernetes.io/zone of the node. */
  zone?: string
}

/** And whose traffic it is about. */
export interface ProxyPlace extends NodePlace {
  family: IpFamily
}

interface Candidate extends Endpoint {
  ready: boolean
  serving: boolean
  local: boolean
  forNodes?: readonly string[]
  forZones?: readonly string[]
}

function candidates(port: ServicePort, slices: readonly EndpointSlice[], { nodeName, family }: ProxyPlace): Candidate[] {
  const found: Candidate[] = []
  for (const slice of slices) {
    if (slice.addressType !== family.name) continue
    const slicePort = slice.ports?.find((p) => (p.name ?? '') === (port.name ?? '') && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP'))
    if (!slicePort?.port) continue
    for (const { addresses, conditions, nodeName: on, hints } of slice.endpoints ?? []) {
      const ready = conditions?.ready ?? true
      const serving = (conditions?.serving ?? true) && (conditions?.terminating ?? false)
      const forNodes = hints?.forNodes?.map(({ name }) => name)
      const forZones = hints?.forZones?.map(({ name }) => name)
      const shared = {
        port: slicePort.port,
        ready,
        serving,
        local: on === nodeName,
        ...(forNodes && { forNodes }),
        ...(forZones && { forZones }),
      }
      // All of an endpoint's addresses are said to be alike; every proxy takes the first.
      const [ip] = addresses
      if (ip !== undefined) found.push({ ip: canonicalAddress(ip), ...shared })
    }
  }
  return found
}

function distinct(candidates: readonly Candidate[]): Endpoint[] {
  const byAddress = new Map(candidates.map(({ ip, port }) => [`${ip}:${port}`, { ip, port }]))
  return [...byAddress.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint)
}

function usable(all: readonly Candidate[]): Candidate[] {
  const ready = all.filter((candidate) => candidate.ready)
  return ready.length > 0 ? ready : all.filter((candidate) => candidate.serving)
}

/** A hint counts only if every endpoint has one and some are for us: half-written hints must not starve anybody. */
function near(all: readonly Candidate[], { nodeName, zone }: NodePlace): readonly Candidate[] {
  const ready = all.filter((candidate) => candidate.ready)
  if (ready.length === 0) return all
  const own = (hinted: (candidate: Candidate) => readonly string[] | undefined, name: string): Candidate[] =>
    ready.every((candidate) => hinted(candidate)?.length) ? ready.filter((candidate) => hinted(candidate)?.includes(name)) : []
  const onNode = own(({ forNodes }) => forNodes, nodeName)
  if (onNode.length > 0) return onNode
  const inZone = zone ? own(({ forZones }) => forZones, zone) : []
  return inZone.length > 0 ? inZone : all
}

export function endpointsFor(service: Service, port: ServicePort, slices: readonly EndpointSlice[], place: ProxyPlace): PortEndpoints {
  const all = candidates(port, slices, place)
  const local = all.filter((candidate) => candidate.local)
  const { internalTrafficPolicy, externalTrafficPolicy } = service.spec
  const cluster = distinct(usable(near(all, place)))
  const onNode = distinct(usable(local))
  return {
    internal: internalTrafficPolicy === 'Local' ? onNode : cluster,
    external: externalTrafficPolicy === 'Local' ? onNode : cluster,
    cluster,
    all: distinct(usable(all)),
  }
}
