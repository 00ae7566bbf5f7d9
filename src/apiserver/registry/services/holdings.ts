/** The addresses and ports that a Service has to itself. */
import { familyOf, formatIp, parseIp } from '../../../base/ipFamily.ts'
import type { Service } from '../../../api/kinds/core/v1.ts'

interface Holdings {
  addresses: string[]
  ports: number[]
}

/** One address may be written in several ways. */
function canonical(text: string): string | undefined {
  const address = parseIp(text)
  return address === undefined ? undefined : formatIp(familyOf(text), address)
}

export function holdings(service: Service | undefined): Holdings {
  if (!service?.spec) return { addresses: [], ports: [] }
  const { spec } = service
  const addresses = (spec.clusterIPs ?? []).flatMap((text) => canonical(text) ?? [])
  const ports = (spec.ports ?? []).map((port) => port.nodePort ?? 0).filter((port) => port > 0)
  return { addresses, ports: spec.healthCheckNodePort ? [...ports, spec.healthCheckNodePort] : ports }
}

/** Their names in the store, each once. */
export function keysOf(service: Service | undefined): string[] {
  const { addresses, ports } = holdings(service)
  return [...new Set([...addresses, ...ports.map((port) => `port-${port}`)])]
}
