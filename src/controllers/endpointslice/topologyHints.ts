/**
 * Topology aware routing (`service.kubernetes.io/topology-mode: Auto`): endpoints are meant for zones in proportion to the zones' CPUs,
 * mostly for the one that they are in; not at all where that would leave a zone with too few. No I/O.
 */
import type { Node, Service } from '../../api/kinds/core/v1.ts'
import type { Endpoint } from '../../api/kinds/discovery/v1.ts'
import { isConditionTrue } from '../../api/meta.ts'
import { quantityMilliValue } from '../../api/quantity.ts'

const ANNOTATIONS = ['service.kubernetes.io/topology-aware-hints', 'service.kubernetes.io/topology-mode']
const ZONE = 'topology.kubernetes.io/zone'
const CONTROL_PLANE = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']
/** So much more than its share may an endpoint get. */
const OVERLOAD_THRESHOLD = 0.2

/** The zones' parts of all CPUs; undefined where a node does not tell what is needed, or there is one zone only. */
export type ZoneShares = ReadonlyMap<string, number> | undefined

export function wantsHints({ metadata: { annotations = {} } }: Service): boolean {
  const found = ANNOTATIONS.find((name) => annotations[name] !== undefined)
  return found !== undefined && ['Auto', 'auto'].includes(annotations[found] as string)
}

export function zoneShares(nodes: readonly Node[]): ZoneShares {
  const cpus = new Map<string, number>()
  let total = 0
  for (const { metadata, status } of nodes) {
    const { labels = {} } = metadata
    if (CONTROL_PLANE.some((label) => label in labels) || !isConditionTrue(status?.conditions, 'Ready')) continue
    const cpu = quantityMilliValue(status?.allocatable?.['cpu'] ?? '0')
    const zone = labels[ZONE]
    if (!zone || cpu === 0) return undefined
    cpus.set(zone, (cpus.get(zone) ?? 0) + cpu)
    total += cpu
  }
  return cpus.size < 2 ? undefined : new Map([...cpus].map(([zone, cpu]) => [zone, cpu / total]))
}

function obstacle(ready: readonly Endpoint[], shares: ZoneShares): string | undefined {
  if (!shares) return 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes'
  const counts = `(${ready.length} endpoints, ${shares.size} zones)`
  if (shares.size > ready.length) return `Insufficient number of endpoints ${counts}`
  const least = [...shares.values()].reduce((sum, share) => sum + minimum(share, ready.length), 0)
  if (least > ready.length)
    return `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${counts}`
  return ready.every(({ zone }) => zone) ? undefined : 'One or more endpoints do not have a zone specified'
}

const minimum = (share: number, endpoints: number): number => Math.ceil((share * endpoints) / (1 + OVERLOAD_THRESHOLD))

function most(zones: ReadonlyMap<string, number>): [zone: string, count: number] {
  let found: [string, number] = ['', 0]
  for (const [zone, count] of zones) if (count > found[1]) found = [zone, count]
  return found
}

/** How many endpoints each zone has too many, and too few. */
function imbalance(ready: readonly Endpoint[], shares: ReadonlyMap<string, number>): { giving: Map<string, number>; receiving: string[] } {
  const tooMany = new Map<string, number>()
  const tooFew = new Map<string, number>()
  for (const [zone, share] of shares) {
    const has = ready.filter((endpoint) => endpoint.zone === zone).length
    const target = Math.max(share * ready.length, minimum(share, ready.length))
    if (has > target) tooMany.set(zone, has - target)
    else if (has < target) tooFew.set(zone, target - has)
  }
  const giving = new Map<string, number>()
  const receiving: string[] = []
  for (;;) {
    const [from, spare] = most(tooMany)
    const [to, missing] = most(tooFew)
    if (!from || !to || (spare < 1 && missing < 1) || spare < 0.5 || missing < 0.5) return { giving, receiving }
    giving.set(from, (giving.get(from) ?? 0) + 1)
    tooMany.set(from, spare - 1)
    receiving.push(to)
    tooFew.set(to, missing - 1)
  }
}

/** The zones that endpoints of one address family are for, by endpoint; or why there are no hints. */
export function planHints(endpoints: readonly Endpoint[], shares: ZoneShares): { zones: Map<Endpoint, string> } | { problem: string } {
  const ready = endpoints.filter(({ conditions }) => conditions?.ready !== false)
  const problem = obstacle(ready, shares)
  if (problem !== undefined || !shares) return { problem: problem ?? '' }
  const { giving, receiving } = imbalance(ready, shares)
  const zones = new Map<Endpoint, string>()
  for (const endpoint of ready) {
    const own = endpoint.zone as string
    const left = giving.get(own) ?? 0
    const to = left > 0 ? receiving.shift() : undefined
    if (to !== undefined) giving.set(own, left - 1)
    zones.set(endpoint, to ?? own)
  }
  return { zones }
}
