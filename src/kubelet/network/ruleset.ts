/** The nftables rules of the pod network, in a table of their own for each IP family. Pure: text for `nft -f -`. */
import { canonicalAddress, isOfFamily, type IpFamily } from '../../base/ipFamily.ts'
import type { PortMapping } from '../runtime/runtime.ts'
import { LINK_PREFIX } from './links.ts'

export const TABLE = 'minicube_pods'

export interface MappedPod {
  ips: readonly string[]
  portMappings: readonly PortMapping[]
}

export interface RulesetPlan {
  family: IpFamily
  /** This node's pods: their traffic to the outside leaves under the node's address. Of all families; so are the others. */
  podCidrs: readonly string[]
  /** Ranges inside the cluster (all pods, services): traffic to these keeps its source. */
  clusterCidrs: readonly string[]
  pods: readonly MappedPod[]
}

/** What one family has and the other has not. */
interface Differences {
  guard: readonly string[]
  mapPorts: readonly string[]
  postrouting: readonly string[]
}

function differences({ nft, loopbackRange, name }: IpFamily, links: string): Differences {
  if (name === 'IPv4') {
    return {
      guard: [`iifname ${links} ip daddr ${loopbackRange} drop`],
      mapPorts: [],
      postrouting: [`ip saddr ${loopbackRange} oifname ${links} masquerade`],
    }
  }
  return {
    // A pod may only send under its own address: what rp_filter is for the other family.
    guard: [
      `iifname ${links} icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept`,
      `iifname ${links} fib saddr . iif oif missing drop`,
    ],
    // The kernel lets nothing from this address out of the machine, whoever it is rewritten to.
    mapPorts: [`${nft} daddr ${loopbackRange} return`],
    postrouting: [],
  }
}

const chainOf = (name: string, ...rules: readonly string[]): string =>
  `  chain ${name} {\n${rules.map((rule) => `    ${rule}\n`).join('')}  }\n`

/** The whole table of a family, replacing what was there, in one transaction. */
export function tableScript({ family, podCidrs, clusterCidrs, pods }: RulesetPlan): string {
  const { nft, nftAddress } = family
  const own = differences(family, `"${LINK_PREFIX}*"`)
  const ours = podCidrs.filter(isOfFamily(family))
  const inside = [...ours, ...clusterCidrs.filter(isOfFamily(family))]
  return `add table ${nft} ${TABLE}
delete table ${nft} ${TABLE}
table ${nft} ${TABLE} {
  set pod_ranges { type ${nftAddress}; flags interval; auto-merge; elements = { ${ours.join(', ')} } }
  set cluster_ranges { type ${nftAddress}; flags interval; auto-merge; elements = { ${inside.join(', ')} } }
  map host_ports { type inet_proto . inet_service : ${nftAddress} . inet_service; }
  map host_ports_at { type ${nftAddress} . inet_proto . inet_service : ${nftAddress} . inet_service; }
  set hairpins { type ${nftAddress} . ${nftAddress}; }
${chainOf('guard', 'type filter hook prerouting priority raw; policy accept;', ...own.guard)}${chainOf(
    'map_ports',
    ...own.mapPorts,
    `dnat ${nft} to ${nft} daddr . meta l4proto . th dport map @host_ports_at`,
    `dnat ${nft} to meta l4proto . th dport map @host_ports`,
  )}${chainOf('prerouting', 'type nat hook prerouting priority -105; policy accept;', 'fib daddr type local jump map_ports')}${chainOf(
    'output',
    'type nat hook output priority -105; policy accept;',
    'fib daddr type local jump map_ports',
  )}${chainOf(
    'postrouting',
    'type nat hook postrouting priority srcnat; policy accept;',
    `${nft} saddr . ${nft} daddr @hairpins masquerade`,
    ...own.postrouting,
    `${nft} saddr @pod_ranges ${nft} daddr != @cluster_ranges masquerade`,
  )}}
${elementCommands(family, pods)}`
}

/** The hostPorts of all pods in a family, replacing those that were there, in one transaction. */
export function hostPortScript(family: IpFamily, pods: readonly MappedPod[]): string {
  const flushed = ['map host_ports', 'map host_ports_at', 'set hairpins'].map((what) => {
    const [kind, name] = what.split(' ')
    return `flush ${kind} ${family.nft} ${TABLE} ${name}\n`
  })
  return flushed.join('') + elementCommands(family, pods)
}

function elementCommands(family: IpFamily, pods: readonly MappedPod[]): string {
  const isOurs = isOfFamily(family)
  // The first pod keeps a port that two want: the scheduler lets that happen only while one of them goes away.
  const anywhere = new Map<string, string>()
  const atAddress = new Map<string, string>()
  const hairpins = new Set<string>()
  for (const { ips, portMappings } of pods) {
    const ip = ips.find(isOurs)
    if (ip === undefined) continue
    for (const { hostIp: givenIp = '', hostPort, containerPort, protocol } of portMappings) {
      const hostIp = canonicalAddress(givenIp)
      // Without an address it is every one of every family.
      if (hostIp && !isOurs(hostIp)) continue
      const port = `${protocol.toLowerCase()} . ${hostPort}`
      const to = `${ip} . ${containerPort}`
      const isAnywhere = !hostIp || hostIp === family.unspecified
      const [map, key] = isAnywhere ? ([anywhere, port] as const) : ([atAddress, `${hostIp} . ${port}`] as const)
      if (!map.has(key)) map.set(key, to)
      hairpins.add(`${ip} . ${ip}`)
    }
  }
  const entries = (map: Map<string, string>): string[] => [...map].map(([key, to]) => `${key} : ${to}`)
  const add = (name: string, all: readonly string[]): string =>
    all.length === 0 ? '' : `add element ${family.nft} ${TABLE} ${name} { ${all.join(', ')} }\n`
  return add('host_ports', entries(anywhere)) + add('host_ports_at', entries(atAddress)) + add('hairpins', [...hairpins])
}
