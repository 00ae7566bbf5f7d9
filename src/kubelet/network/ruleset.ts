/** The nftables rules of the pod network, in a table of their own. Pure: text for `nft -f -`. */
import type { PortMapping } from '../runtime/runtime.ts'
import { LINK_PREFIX } from './links.ts'

export const TABLE = 'minicube_pods'

export interface MappedPod {
  ip: string
  portMappings: readonly PortMapping[]
}

export interface RulesetPlan {
  /** This node's pods: their traffic to the outside leaves under the node's address. */
  podCidrs: readonly string[]
  /** Ranges inside the cluster (all pods, services): traffic to these keeps its source. */
  clusterCidrs: readonly string[]
  pods: readonly MappedPod[]
}

/** The whole table, replacing what was there, in one transaction. */
export function tableScript({ podCidrs, clusterCidrs, pods }: RulesetPlan): string {
  const links = `"${LINK_PREFIX}*"`
  return `add table ip ${TABLE}
delete table ip ${TABLE}
table ip ${TABLE} {
  set pod_ranges { type ipv4_addr; flags interval; auto-merge; elements = { ${podCidrs.join(', ')} } }
  set cluster_ranges { type ipv4_addr; flags interval; auto-merge; elements = { ${[...podCidrs, ...clusterCidrs].join(', ')} } }
  map host_ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map host_ports_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  set hairpins { type ipv4_addr . ipv4_addr; }
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname ${links} ip daddr 127.0.0.0/8 drop
  }
  chain map_ports {
    dnat ip to ip daddr . meta l4proto . th dport map @host_ports_at
    dnat ip to meta l4proto . th dport map @host_ports
  }
  chain prerouting {
    type nat hook prerouting priority -105; policy accept;
    fib daddr type local jump map_ports
  }
  chain output {
    type nat hook output priority -105; policy accept;
    fib daddr type local jump map_ports
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr . ip daddr @hairpins masquerade
    ip saddr 127.0.0.0/8 oifname ${links} masquerade
    ip saddr @pod_ranges ip daddr != @cluster_ranges masquerade
  }
}
${elementCommands(pods)}`
}

/** The hostPorts of all pods, replacing those that were there, in one transaction. */
export function hostPortScript(pods: readonly MappedPod[]): string {
  return (
    ['host_ports', 'host_ports_at'].map((map) => `flush map ip ${TABLE} ${map}\n`).join('') +
    `flush set ip ${TABLE} hairpins\n${elementCommands(pods)}`
  )
}

function elementCommands(pods: readonly MappedPod[]): string {
  // The first pod keeps a port that two want: the scheduler lets that happen only while one of them goes away.
  const anywhere = new Map<string, string>()
  const atAddress = new Map<string, string>()
  const hairpins = new Set<string>()
  for (const { ip, portMappings } of pods) {
    for (const { hostIp, hostPort, containerPort, protocol } of portMappings) {
      const port = `${protocol.toLowerCase()} . ${hostPort}`
      const to = `${ip} . ${containerPort}`
      const [map, key] = hostIp && hostIp !== '0.0.0.0' ? ([atAddress, `${hostIp} . ${port}`] as const) : ([anywhere, port] as const)
      if (!map.has(key)) map.set(key, to)
      hairpins.add(`${ip} . ${ip}`)
    }
  }
  const entries = (map: Map<string, string>): string[] => [...map].map(([key, to]) => `${key} : ${to}`)
  return elements('host_ports', entries(anywhere)) + elements('host_ports_at', entries(atAddress)) + elements('hairpins', [...hairpins])
}

function elements(name: string, entries: readonly string[]): string {
  return entries.length === 0 ? '' : `add element ip ${TABLE} ${name} { ${entries.join(', ')} }\n`
}
