/**
 * Gives every Service of type LoadBalancer an address that answers: one of the pool's, announced by the node. One key stands
 * for all of them, since they share the pool.
 */
import { services, type Service } from '../api/kinds/core/v1.ts'
import { keyOf } from '../api/resource.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'
import type { Cloud } from './provider.ts'

export interface Assignment {
  key: string
  /** Undefined: the service gets no address (any more), or the pool is used up. */
  ip: string | undefined
}

const isOurs = ({ spec, metadata }: Service): boolean =>
  spec.type === 'LoadBalancer' && !spec.loadBalancerClass && !metadata.deletionTimestamp

const currentIp = (service: Service): string | undefined => service.status?.loadBalancer?.ingress?.[0]?.ip

/** Who has which address: those who have one keep it, wishes of the rest come first, then the lowest free address. */
export function assignAddresses(all: readonly Service[], pool: readonly string[]): Assignment[] {
  const wanting = all.filter(isOurs).toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const taken = new Map<string, string>()
  const result = new Map<string, string | undefined>(wanting.map((service) => [keyOf(service), undefined]))
  const give = (service: Service, ip: string | undefined): void => {
    if (!ip || !pool.includes(ip) || taken.has(ip) || result.get(keyOf(service))) return
    taken.set(ip, keyOf(service))
    result.set(keyOf(service), ip)
  }
  for (const service of wanting)
    if (!service.spec.loadBalancerIP || service.spec.loadBalancerIP === currentIp(service)) give(service, currentIp(service))
  for (const service of wanting) give(service, service.spec.loadBalancerIP)
  for (const service of wanting)
    if (!service.spec.loadBalancerIP)
      give(
        service,
        pool.find((ip) => !taken.has(ip)),
      )
  return [...result].map(([key, ip]) => ({ key, ip }))
}

const ALL = 'all'

export function serviceLoadBalancerController(cloud: Cloud, { client, informers, events }: ControllerContext): Controller {
  const { pool, announce } = cloud.loadBalancers
  const setStatus = async (service: Service, ip: string | undefined, signal: AbortSignal): Promise<void> => {
    const { name, namespace } = service.metadata
    const ingress = ip ? [{ ip, ipMode: 'VIP' }] : null
    const at = { name, namespace, subresource: 'status' as const, type: 'application/merge-patch+json' as const, signal }
    await client.patch(services, at, { status: { loadBalancer: { ingress } } })
  }
  return {
    name: 'service-lb-controller',
    workers: 1,
    watches: [watch(services, () => [ALL])],
    async reconcile(_key, signal) {
      const informer = informers.for(services)
      const assignments = assignAddresses(informer.list(), pool)
      await announce(
        assignments.flatMap(({ ip }) => ip ?? []),
        signal,
      )
      const byKey = new Map(assignments.map(({ key, ip }) => [key, ip]))
      for (const service of informer.list()) {
        const ip = byKey.get(keyOf(service))
        if (ip === currentIp(service)) continue
        // Another provider's load balancer is not ours to clear.
        if (!ip && (service.spec.loadBalancerClass || !pool.includes(currentIp(service) ?? ''))) continue
        await setStatus(service, ip, signal)
        if (ip) events.record(service, { type: 'Normal', reason: 'EnsuredLoadBalancer', message: 'Ensured load balancer' })
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
