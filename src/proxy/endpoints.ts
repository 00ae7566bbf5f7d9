/**
 * Which endpoints a service port's traffic goes to: upstream's CategorizeEndpoints. Ready ones; where there are none, those
 * that are terminating but still serve. A `Local` policy keeps to endpoints of this node.
 */
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
}

interface Candidate extends Endpoint {
  ready: boolean
  serving: boolean
  local: boolean
}

function candidates(port: ServicePort, slices: readonly EndpointSlice[], nodeName: string): Candidate[] {
  const found: Candidate[] = []
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue
    const slicePort = slice.ports?.find((p) => (p.name ?? '') === (port.name ?? '') && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP'))
    if (!slicePort?.port) continue
    for (const { addresses, conditions, nodeName: on } of slice.endpoints ?? []) {
      const ready = conditions?.ready ?? true
      const serving = (conditions?.serving ?? ready) && (conditions?.terminating ?? false)
      for (const ip of addresses) found.push({ ip, port: slicePort.port, ready, serving, local: on === nodeName })
    }
  }
  return found
}

function usable(all: readonly Candidate[]): Endpoint[] {
  const ready = all.filter((c) => c.ready)
  const chosen = ready.length > 0 ? ready : all.filter((c) => c.serving)
  const distinct = new Map(chosen.map(({ ip, port }) => [`${ip}:${port}`, { ip, port }]))
  return [...distinct.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint)
}

export function endpointsFor(service: Service, port: ServicePort, slices: readonly EndpointSlice[], nodeName: string): PortEndpoints {
  const all = candidates(port, slices, nodeName)
  const local = all.filter((c) => c.local)
  const { internalTrafficPolicy, externalTrafficPolicy } = service.spec
  return {
    internal: usable(internalTrafficPolicy === 'Local' ? local : all),
    external: usable(externalTrafficPolicy === 'Local' ? local : all),
  }
}
