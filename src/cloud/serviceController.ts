/**
 * Gives every Service of type LoadBalancer an address that answers: one of the pool's, announced by a node. One key stands
 * for all of them, since they share the pool. A service of both IP families gets one of each.
 */
import { familiesOf, IP_FAMILIES, isOfFamily, type IpFamily } from '../base/ipFamily.ts'
import { services, type Service } from '../api/kinds/core/v1.ts'
import { keyOf } from '../api/resource.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'
import { Announcers } from './announcers.ts'
import type { Cloud } from './provider.ts'

export interface Assignment {
  key: string
  /** Undefined: the service gets no address (any more), or the pool is used up. */
  ip: string | undefined
}

const familiesIn = ({ spec }: Service): readonly string[] => spec.ipFamilies ?? ['IPv4']

const isOurs = ({ spec, metadata }: Service): boolean =>
  spec.type === 'LoadBalancer' && !spec.loadBalancerClass && !metadata.deletionTimestamp

const currentIps = (service: Service): string[] => service.status?.loadBalancer?.ingress?.flatMap(({ ip }) => ip ?? []) ?? []

/** Who has which address of a family: those who have one keep it, wishes of the rest come first, then the lowest free address. */
export function assignAddresses(all: readonly Service[], wholePool: readonly string[], family: IpFamily): Assignment[] {
  const pool = wholePool.filter(isOfFamily(family))
  const currentIp = (service: Service): string | undefined => currentIps(service).find(isOfFamily(family))
  const wishOf = ({ spec }: Service): string | undefined =>
    spec.loadBalancerIP && isOfFamily(family)(spec.loadBalancerIP) ? spec.loadBalancerIP : undefined
  const isWanting = (service: Service): boolean => isOurs(service) && familiesIn(service).includes(family.name)
  const wanting = all.filter(isWanting).toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const taken = new Map<string, string>()
  const result = new Map<string, string | undefined>(wanting.map((service) => [keyOf(service), undefined]))
  const give = (service: Service, ip: string | undefined): void => {
    if (!ip || !pool.includes(ip) || taken.has(ip) || result.get(keyOf(service))) return
    taken.set(ip, keyOf(service))
    result.set(keyOf(service), ip)
  }
  for (const service of wanting) if (!wishOf(service) || wishOf(service) === currentIp(service)) give(service, currentIp(service))
  for (const service of wanting) give(service, wishOf(service))
  for (const service of wanting)
    if (!wishOf(service))
      give(
        service,
        pool.find((ip) => !taken.has(ip)),
      )
  return [...result].map(([key, ip]) => ({ key, ip }))
}

/** The addresses of each service in the order of its families, as far as there are any. */
function addressesByKey(all: readonly Service[], assignments: readonly Assignment[]): Map<string, string[]> {
  const byKey = Map.groupBy(assignments, ({ key }) => key)
  return new Map(
    all.map((service) => {
      const ips = byKey.get(keyOf(service))?.flatMap(({ ip }) => ip ?? []) ?? []
      const place = (ip: string): number => familiesIn(service).indexOf(familiesOf([ip])[0]?.name ?? '')
      return [keyOf(service), ips.toSorted((a, b) => place(a) - place(b))]
    }),
  )
}

const isSame = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((ip, i) => ip === b[i])

const ALL = 'all'

export function serviceLoadBalancerController(cloud: Cloud, { client, informers, events }: ControllerContext): Controller {
  const { pool, announce, nodeName } = cloud.loadBalancers
  const announcers = new Announcers(informers)
  const setStatus = async (service: Service, ips: readonly string[], signal: AbortSignal): Promise<void> => {
    const { name, namespace } = service.metadata
    const ingress = ips.length > 0 ? ips.map((ip) => ({ ip, ipMode: 'VIP' })) : null
    const at = { name, namespace, subresource: 'status' as const, type: 'application/merge-patch+json' as const, signal }
    await client.patch(services, at, { status: { loadBalancer: { ingress } } })
  }
  return {
    name: 'service-lb-controller',
    workers: 1,
    watches: [watch(services, () => [ALL]), ...announcers.watches(ALL)],
    async reconcile(_key, signal) {
      const informer = informers.for(services)
      const all = informer.list()
      const assignments = IP_FAMILIES.flatMap((family) => assignAddresses(all, pool, family))
      const own = assignments.filter(({ key }) => announcers.nodeOf(informer.get(key)) === nodeName)
      await announce(
        own.flatMap(({ ip }) => ip ?? []),
        signal,
      )
      const byKey = addressesByKey(all, assignments)
      for (const service of all) {
        const ips = byKey.get(keyOf(service)) ?? []
        if (isSame(ips, currentIps(service))) continue
        // Another provider's load balancer is not ours to clear.
        if (ips.length === 0 && (service.spec.loadBalancerClass || !currentIps(service).some((ip) => pool.includes(ip)))) continue
        await setStatus(service, ips, signal)
        if (ips.length > 0) events.record(service, { type: 'Normal', reason: 'EnsuredLoadBalancer', message: 'Ensured load balancer' })
      }
      for (const { key, ip } of assignments) {
        const service = informer.get(key)
        if (ip || !service) continue
        const message = service.spec.loadBalancerIP
          ? `Error syncing load balancer: the address ${service.spec.loadBalancerIP} is taken or not in the pool ${pool[0]}-${pool.at(-1)}`
          : `Error syncing load balancer: all ${pool.length} addresses are taken`
        events.record(service, { type: 'Warning', reason: 'SyncLoadBalancerFailed', message })
      }
    },
  }
}
