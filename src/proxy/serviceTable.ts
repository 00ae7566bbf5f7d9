/**
 * The table of all services of one IP family, kept by service: a change of one among thousands costs one. Elements that several services
 * claim (an external address and port, an endpoint of two services) belong to the first of them by name.
 */
import { tableChange } from '../base/nftables.ts'
import type { NftMap, NftSet, NftTable } from '../base/nftables.ts'
import { isOfFamily, type IpFamily } from '../base/ipFamily.ts'
import { REFUSE, sharedMaps, SOURCE_MARK } from './serviceRules.ts'
import type { ServiceRules, SharedMap } from './serviceRules.ts'

/** The ranges that services have their addresses of: what is for nobody there must not leave by a route for everything. */
const RANGES = 'service_ranges'

export const tableOf = ({ nft }: IpFamily): string => `${nft} minicube_proxy`

/** The fixed part: maps, hooks and the order in which they look. Replaces whatever an earlier process left. */
function baseScript(family: IpFamily): string {
  const table = tableOf(family)
  const { nft, nftAddress, loopbackRange } = family
  return `table ${table} {}
delete table ${table}
table ${table} {
${sharedMaps(family)
  .map(([name, type]) => `  map ${name} { type ${type} ; }`)
  .join('\n')}
  chain services {
    ${nft} daddr . meta l4proto . th dport vmap @service_ips
    fib daddr type local ${nft} daddr != ${loopbackRange} meta l4proto . th dport vmap @service_nodeports
  }
  chain ${REFUSE.replace('goto ', '')} { reject ; }
  chain masquerade_it { ct status dnat masquerade ; }
  set ${RANGES} { type ${nftAddress} ; flags interval ; auto-merge ; }
  chain unanswered {
    ${nft} daddr . meta l4proto . th dport vmap @no_endpoints
    fib daddr type local ${nft} daddr != ${loopbackRange} meta l4proto . th dport vmap @no_endpoint_nodeports
    ${nft} daddr vmap @cluster_ips
    ${nft} daddr @${RANGES} ${REFUSE}
  }
  chain firewall { ${nft} daddr . meta l4proto . th dport vmap @firewall_ips ; }
  chain firewall_prerouting { type filter hook prerouting priority dstnat - 10 ; policy accept ; ct state new jump firewall ; }
  chain firewall_output { type filter hook output priority -110 ; policy accept ; ct state new jump firewall ; }
  chain nat_prerouting { type nat hook prerouting priority dstnat ; policy accept ; jump services ; }
  chain nat_output { type nat hook output priority -100 ; policy accept ; jump services ; }
  chain nat_postrouting {
    type nat hook postrouting priority srcnat ; policy accept ;
    meta mark and ${SOURCE_MARK} != 0 meta mark set meta mark xor ${SOURCE_MARK} masquerade fully-random
    ${nft} saddr . ${nft} daddr vmap @hairpin
  }
  chain filter_input { type filter hook input priority filter ; policy accept ; ct state new jump unanswered ; }
  chain filter_forward { type filter hook forward priority filter ; policy accept ; ct state new jump unanswered ; }
  chain filter_output { type filter hook output priority filter ; policy accept ; ct state new jump unanswered ; }
}
`
}

/** Who claims an element, by service; the first by name has it. */
class Claims {
  readonly #values = new Map<string, Map<string, string>>()

  valueOf(element: string): string | undefined {
    const claims = this.#values.get(element)
    if (!claims) return undefined
    if (claims.size === 1) return claims.values().next().value
    return claims.get([...claims.keys()].sort()[0] as string)
  }

  claim(element: string, service: string, value: string): void {
    const claims = this.#values.get(element)
    if (claims) claims.set(service, value)
    else this.#values.set(element, new Map([[service, value]]))
  }

  release(element: string, service: string): void {
    const claims = this.#values.get(element)
    claims?.delete(service)
    if (claims?.size === 0) this.#values.delete(element)
  }
}

/** One side of a change: the parts of the table that the changed services have a share in. */
interface Part {
  chains: Map<string, readonly string[]>
  sets: Map<string, NftSet>
  maps: Map<string, NftMap & { elements: Map<string, string> }>
}

function emptyPart(family: IpFamily): Part {
  return {
    chains: new Map(),
    sets: new Map(),
    maps: new Map(sharedMaps(family).map(([name, type]) => [name, { type, elements: new Map() }])),
  }
}

function addOwn(part: Part, rules: ServiceRules, { nftAddress }: IpFamily): void {
  for (const [chain, lines] of rules.chains) part.chains.set(chain, lines)
  for (const [set, seconds] of rules.affinitySets)
    part.sets.set(set, { type: nftAddress, options: `flags dynamic,timeout ; timeout ${seconds}s`, elements: new Set() })
}

export class ServiceTable {
  readonly #family: IpFamily
  readonly #names: readonly SharedMap[]
  readonly #rules = new Map<string, ServiceRules>()
  readonly #claims: Map<SharedMap, Claims>
  #isWritten = false
  #ranges = ''

  constructor(family: IpFamily) {
    this.#family = family
    this.#names = sharedMaps(family).map(([name]) => name)
    this.#claims = new Map(this.#names.map((name) => [name, new Claims()]))
  }

  get services(): IterableIterator<string> {
    return this.#rules.keys()
  }

  /** Ports of all services whose policy wants an endpoint on this node, while all are elsewhere. */
  withoutLocal(traffic: 'internal' | 'external'): number {
    return this.#rules.values().reduce((sum, rules) => sum + rules.withoutLocal[traffic], 0)
  }

  rulesOf(service: string): ServiceRules | undefined {
    return this.#rules.get(service)
  }

  /**
   * Takes the new rules of services (undefined: gone) and the ranges of their addresses, and answers the script that brings the kernel
   * there; '' for nothing.
   */
  change(changes: ReadonlyMap<string, ServiceRules | undefined>, ranges: readonly string[] = []): string {
    const [before, after] = [emptyPart(this.#family), emptyPart(this.#family)]
    const touched = this.#touched(changes)
    this.#collect(touched, before)
    for (const [service, next] of changes) {
      const old = this.#rules.get(service)
      if (old) addOwn(before, old, this.#family)
      if (next) addOwn(after, next, this.#family)
      this.#replace(service, old, next)
    }
    this.#collect(touched, after)
    const script = tableChange(tableOf(this.#family), before satisfies NftTable, after) + this.#rangesChange(ranges)
    if (this.#isWritten) return script
    this.#isWritten = true
    return baseScript(this.#family) + script
  }

  #rangesChange(ranges: readonly string[]): string {
    const wanted = ranges.filter(isOfFamily(this.#family)).toSorted().join(', ')
    if (wanted === this.#ranges) return ''
    this.#ranges = wanted
    const set = `${tableOf(this.#family)} ${RANGES}`
    return `flush set ${set}\n${wanted && `add element ${set} { ${wanted} }\n`}`
  }

  /** Forgets everything: what the kernel holds is not known, and the next change starts from nothing. */
  reset(): void {
    this.#rules.clear()
    for (const name of this.#names) this.#claims.set(name, new Claims())
    this.#isWritten = false
    this.#ranges = ''
  }

  #touched(changes: ReadonlyMap<string, ServiceRules | undefined>): Map<SharedMap, Set<string>> {
    const touched = new Map<SharedMap, Set<string>>(this.#names.map((name) => [name, new Set()]))
    for (const [service, next] of changes)
      for (const rules of [this.#rules.get(service), next])
        for (const name of this.#names) for (const element of rules?.elements[name].keys() ?? []) touched.get(name)?.add(element)
    return touched
  }

  #collect(touched: ReadonlyMap<SharedMap, ReadonlySet<string>>, part: Part): void {
    for (const [name, elements] of touched) {
      for (const element of elements) {
        const value = this.#claims.get(name)?.valueOf(element)
        if (value !== undefined) part.maps.get(name)?.elements.set(element, value)
      }
    }
  }

  #replace(service: string, old: ServiceRules | undefined, next: ServiceRules | undefined): void {
    for (const name of this.#names) {
      const claims = this.#claims.get(name)
      for (const element of old?.elements[name].keys() ?? []) claims?.release(element, service)
      for (const [element, value] of next?.elements[name] ?? []) claims?.claim(element, service, value)
    }
    if (next) this.#rules.set(service, next)
    else this.#rules.delete(service)
  }
}
