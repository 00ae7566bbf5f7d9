/**
 * Gives every Service of type LoadBalancer an address that answers: one of the pool's, announced by a node. One key stands
 * for all of them, since they share the pool. A service of both IP families gets one of each.
 */
import { familiesOf, IP_FAMILIES, isOfFamily, type IpFamily } from '../base/ipFamily.ts'
import { services, type Service } from '../api/kinds/core/v1.ts'
import { keyOf } from '../api/resource.ts'
import { isNotFound } from '../api/status.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'
import { Announcers } from './announcers.ts'
import { currentIps, planLoadBalancer, wantsLoadBalancer, type LoadBalancerStep } from './loadBalancerPlan.ts'
import type { Cloud } from './provider.ts'

export interface Assignment {
  key: string
  /** Undefined: the service gets no address (any more), or the pool is used up. */
  ip: string | undefined
}

const familiesIn = ({ spec }: Service): readonly string[] => spec.ipFamilies ?? ['IPv4']

/** Who has which address of a family: those who have one keep it, wishes of the rest come first, then the lowest free address. */
export function assignAddresses(all: readonly Service[], wholePool: readonly string[], family: IpFamily): Assignment[] {
  const pool = wholePool.filter(isOfFamily(family))
  const currentIp = (service: Service): string | undefined => currentIps(service).find(isOfFamily(family))
  const wishOf = ({ spec }: Service): string | undefined =>
    spec.loadBalancerIP && isOfFamily(family)(spec.loadBalancerIP) ? spec.loadBalancerIP : undefined
  const isWanting = (service: Service): boolean => wantsLoadBalancer(service) && familiesIn(service).includes(family.name)
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

const ALL = 'all'

export function serviceLoadBalancerController(cloud: Cloud, { client, informers, events }: ControllerContext): Controller {
  const { pool, announce, nodeName } = cloud.loadBalancers
  const announcers = new Announcers(informers)
  const informer = informers.for(services)

  async function apply(service: Service, step: LoadBalancerStep, signal: AbortSignal): Promise<void> {
    const { name, namespace, resourceVersion } = service.metadata
    const at = { name, namespace, type: 'application/merge-patch+json' as const, signal }
    switch (step.kind) {
      case 'tell':
        return events.record(service, step)
      case 'setFinalizers':
        // Whole lists are written: not over somebody else's change.
        return void (await client.patch(services, at, { metadata: { resourceVersion, finalizers: step.finalizers } }))
      case 'setAddresses': {
        const ingress = step.ips.length > 0 ? step.ips.map((ip) => ({ ip, ipMode: 'VIP' })) : null
        return void (await client.patch(services, { ...at, subresource: 'status' }, { status: { loadBalancer: { ingress } } }))
      }
    }
  }

  return {
    name: 'service-lb-controller',
    workers: 1,
    watches: [watch(services, () => [ALL]), ...announcers.watches(ALL)],
    async reconcile(_key, signal) {
      const all = informer.list()
      const assignments = IP_FAMILIES.flatMap((family) => assignAddresses(all, pool, family))
      const own = assignments.filter(({ key }) => announcers.nodeOf(informer.get(key)) === nodeName)
      await announce(
        own.flatMap(({ ip }) => ip ?? []),
        signal,
      )
      const byKey = addressesByKey(all, assignments)
      const short = new Set(assignments.filter(({ ip }) => !ip).map(({ key }) => key))
      for (const service of all) {
        const key = keyOf(service)
        const steps = planLoadBalancer({ service, ips: byKey.get(key) ?? [], isShort: short.has(key), pool })
        for (const step of steps) await ignoreGone(apply(service, step, signal))
      }
    },
  }
}

/** Once nothing holds it any more, a Service that leaves is gone. */
async function ignoreGone(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}
