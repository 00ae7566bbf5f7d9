/**
 * From one rule set to the next as a single nft script, which the kernel applies as one transaction: only what differs is
 * written, so a change of one service among thousands costs one service.
 */
import { emptyRuleset, type Ruleset } from './ruleset.ts'

const TABLE = 'ip minicube_proxy'

/** The fixed part: maps, hooks and the order in which they look. Replaces whatever an earlier process left. */
const BASE = `table ${TABLE} {}
delete table ${TABLE}
table ${TABLE} {
  map service_ips { type ipv4_addr . inet_proto . inet_service : verdict ; }
  map service_nodeports { type inet_proto . inet_service : verdict ; }
  set no_endpoints { type ipv4_addr . inet_proto . inet_service ; }
  set no_endpoint_nodeports { type inet_proto . inet_service ; }
  set hairpin { type ipv4_addr . ipv4_addr ; }
  chain services {
    ip daddr . meta l4proto . th dport vmap @service_ips
    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service_nodeports
  }
  chain refused {
    ip daddr . meta l4proto . th dport @no_endpoints reject
    fib daddr type local meta l4proto . th dport @no_endpoint_nodeports reject
  }
  chain nat_prerouting { type nat hook prerouting priority dstnat ; policy accept ; jump services ; }
  chain nat_output { type nat hook output priority -100 ; policy accept ; jump services ; }
  chain nat_postrouting { type nat hook postrouting priority srcnat ; policy accept ; ip saddr . ip daddr @hairpin ct status dnat masquerade ; }
  chain filter_input { type filter hook input priority filter ; policy accept ; ct state new jump refused ; }
  chain filter_forward { type filter hook forward priority filter ; policy accept ; ct state new jump refused ; }
  chain filter_output { type filter hook output priority filter ; policy accept ; ct state new jump refused ; }
}
`

/** Elements of one command: nft parses long lists fast, but a line has its limits. */
const ELEMENTS_PER_COMMAND = 500

function elementCommands(verb: 'add' | 'delete', set: string, elements: readonly string[]): string[] {
  const commands: string[] = []
  for (let i = 0; i < elements.length; i += ELEMENTS_PER_COMMAND)
    commands.push(`${verb} element ${TABLE} ${set} { ${elements.slice(i, i + ELEMENTS_PER_COMMAND).join(', ')} }`)
  return commands
}

interface ElementChanges {
  remove: string[]
  add: string[]
}

function mapChanges(set: string, before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): ElementChanges {
  const gone = [...before].filter(([key, chain]) => after.get(key) !== chain)
  const fresh = [...after].filter(([key, chain]) => before.get(key) !== chain)
  const print = ([key, chain]: [string, string]): string => `${key} : goto ${chain}`
  return { remove: elementCommands('delete', set, gone.map(print)), add: elementCommands('add', set, fresh.map(print)) }
}

function setChanges(set: string, before: ReadonlySet<string>, after: ReadonlySet<string>): ElementChanges {
  return {
    remove: elementCommands('delete', set, [...before.difference(after)]),
    add: elementCommands('add', set, [...after.difference(before)]),
  }
}

function sameRules(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((rule, i) => rule === b[i])
}

/** The script that turns `before` into `after`; '' when nothing differs. `undefined` before means: from nothing. */
export function changeScript(before: Ruleset | undefined, after: Ruleset): string {
  const from = before ?? emptyRuleset()
  const changedChains = [...after.chains].filter(([chain, rules]) => !sameRules(from.chains.get(chain), rules))
  const goneChains = [...from.chains.keys()].filter((chain) => !after.chains.has(chain))
  const changes = [
    mapChanges('service_ips', from.serviceIps, after.serviceIps),
    mapChanges('service_nodeports', from.nodePorts, after.nodePorts),
    setChanges('no_endpoints', from.noEndpoints, after.noEndpoints),
    setChanges('no_endpoint_nodeports', from.noEndpointNodePorts, after.noEndpointNodePorts),
    setChanges('hairpin', from.hairpin, after.hairpin),
  ]
  const commands = [
    ...changes.flatMap((change) => change.remove),
    ...[...after.affinitySets]
      .filter(([set, seconds]) => from.affinitySets.get(set) !== seconds)
      .map(([set, seconds]) => `add set ${TABLE} ${set} { type ipv4_addr ; flags dynamic,timeout ; timeout ${seconds}s ; }`),
    // All chains exist before the first rule that jumps to one.
    ...changedChains.map(([chain]) => `add chain ${TABLE} ${chain}`),
    ...goneChains.map((chain) => `flush chain ${TABLE} ${chain}`),
    ...changedChains.flatMap(([chain, rules]) => [
      ...(from.chains.has(chain) ? [`flush chain ${TABLE} ${chain}`] : []),
      ...rules.map((rule) => `add rule ${TABLE} ${chain} ${rule}`),
    ]),
    ...changes.flatMap((change) => change.add),
    ...goneChains.map((chain) => `delete chain ${TABLE} ${chain}`),
    ...[...from.affinitySets.keys()].filter((set) => !after.affinitySets.has(set)).map((set) => `delete set ${TABLE} ${set}`),
  ]
  if (before && commands.length === 0) return ''
  return `${before ? '' : BASE}${commands.join('\n')}\n`
}
