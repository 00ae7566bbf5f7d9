/** The addresses and ports that a Service has to itself. */
import { formatAddress, parseAddress } from './addresses.ts'
import type { Service } from '../../../api/kinds/core/v1.ts'

interface Holdings {
  addresses: number[]
  ports: number[]
}

export function holdings(service: Service | undefined): Holdings {
  if (!service?.spec) return { addresses: [], ports: [] }
  const { spec } = service
  const addresses = (spec.clusterIPs ?? []).map(parseAddress).filter((address) => address !== undefined)
  const ports = (spec.ports ?? []).map((port) => port.nodePort ?? 0).filter((port) => port > 0)
  return { addresses, ports: spec.healthCheckNodePort ? [...ports, spec.healthCheckNodePort] : ports }
}

/** Their names in the store, each once. */
export function keysOf(service: Service | undefined): string[] {
  const { addresses, ports } = holdings(service)
  return [...new Set([...addresses.map(formatAddress), ...ports.map((port) => `port-${port}`)])]
}
