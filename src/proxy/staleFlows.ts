/**
 * UDP has no connection that ends: what connection tracking once decided for a client's socket stays while packets keep
 * coming. So the flows to endpoints that are gone are deleted, and all flows of an address that had nobody to answer.
 * (Upstream: pkg/proxy/conntrack.)
 */
import { run } from '../base/exec.ts'
import { hostPort, IPV4, type IpFamily } from '../base/ipFamily.ts'
import type { Endpoint } from './endpoints.ts'
import type { ServiceRules } from './serviceRules.ts'

/** Arguments of `conntrack --delete --proto udp …`. */
export type FlowFilter = readonly string[]

const CONNTRACK_TIMEOUT_MS = 10_000

/** `10.96.0.10:53` or, for a node port, `:30053`. */
function addressFilter(address: string, family: IpFamily): string[] {
  const at = address.lastIndexOf(':')
  const [ip, port] = [address.slice(0, at), address.slice(at + 1)]
  return [...(family === IPV4 ? [] : ['--family', 'ipv6']), ...(ip ? ['--orig-dst', ip] : []), '--orig-port-dst', port]
}

const byAddress = (endpoints: readonly Endpoint[]): Map<string, Endpoint> =>
  new Map(endpoints.map((endpoint) => [hostPort(endpoint.ip, endpoint.port), endpoint]))

/** The flows that a change of a service makes wrong. */
export function staleFlows(before: ServiceRules | undefined, after: ServiceRules | undefined, family: IpFamily): FlowFilter[] {
  const found: FlowFilter[] = []
  for (const [address, endpoints] of before?.udp ?? []) {
    const now = byAddress(after?.udp.get(address) ?? [])
    for (const [endpoint, { ip, port }] of byAddress(endpoints))
      if (!now.has(endpoint)) found.push([...addressFilter(address, family), '--dst-nat', ip, '--reply-port-src', String(port)])
  }
  for (const [address, endpoints] of after?.udp ?? []) {
    const had = before?.udp.get(address) ?? []
    if (endpoints.length > 0 && had.length === 0) found.push(addressFilter(address, family))
  }
  return found
}

const DELETED = /(\d+) flow entries have been deleted/

/** Deletes flows and tells how many; that there are none is no error. */
export async function deleteFlows(filter: FlowFilter, signal: AbortSignal): Promise<number> {
  try {
    const { stderr } = await run('conntrack', ['--delete', '--proto', 'udp', ...filter], { signal, timeoutMs: CONNTRACK_TIMEOUT_MS })
    return Number(DELETED.exec(stderr)?.[1] ?? 0)
  } catch (error) {
    if (String(error).includes('0 flow entries have been deleted')) return 0
    throw error
  }
}
