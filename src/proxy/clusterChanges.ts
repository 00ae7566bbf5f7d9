/** What kube-proxy follows of the cluster: which services are to be looked at anew, and where its node is. */
import type { Clock } from '../base/clock.ts'
import { nodes, services, type Node, type Service } from '../api/kinds/core/v1.ts'
import { endpointslices, type EndpointSlice } from '../api/kinds/discovery/v1.ts'
import { servicecidrs, type ServiceCIDR } from '../api/kinds/networking/v1.ts'
import { keyOf } from '../api/resource.ts'
import type { Change, Informer, Informers } from '../client/informer.ts'
import { ChangedServices } from './changedServices.ts'
import type { NodePlace } from './endpoints.ts'
import type { ProxyMetrics } from './proxyMetrics.ts'
import type { ChangedService, Surroundings } from './ruleWriter.ts'
import { isOfAnotherProxy } from './serviceRules.ts'

const SERVICE_NAME = 'kubernetes.io/service-name'
const ZONE = 'topology.kubernetes.io/zone'
const BY_SERVICE = 'proxy/service'
/** Of an EndpointSlice: when that which made it change happened. */
const TRIGGERED = 'endpoints.kubernetes.io/last-change-trigger-time'

/** When the change of a slice was triggered, if it says so of this change. */
function triggeredMs({ before, after }: Change<EndpointSlice>): number | undefined {
  const triggered = after?.metadata.annotations?.[TRIGGERED]
  return triggered === undefined || triggered === before?.metadata.annotations?.[TRIGGERED] ? undefined : Date.parse(triggered)
}

function serviceKeyOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[SERVICE_NAME]
  return name && !isOfAnotherProxy(metadata.labels) ? `${metadata.namespace}/${name}` : undefined
}

function placeOf(nodeName: string, node: Node | undefined): NodePlace {
  const zone = node?.metadata.labels?.[ZONE]
  const nodeIps = (node?.status?.addresses ?? []).flatMap(({ type, address }) => (type === 'InternalIP' ? [address] : []))
  return { nodeName, nodeIps, ...(zone && { zone }) }
}

export class ClusterChanges {
  readonly #services: Informer<Service>
  readonly #slices: Informer<EndpointSlice>
  readonly #nodes: Informer<Node>
  readonly #ranges: Informer<ServiceCIDR>
  readonly #nodeName: string
  readonly #stops: readonly (() => void)[]
  readonly changed: ChangedServices
  #place: NodePlace

  constructor(informers: Informers, nodeName: string, metrics: ProxyMetrics, clock: Clock) {
    this.#services = informers.for(services)
    this.#slices = informers.for(endpointslices)
    this.#nodes = informers.for(nodes)
    this.#ranges = informers.for(servicecidrs)
    this.#slices.addIndex(BY_SERVICE, (slice) => [serviceKeyOf(slice)].filter((key) => key !== undefined))
    this.#nodeName = nodeName
    this.#place = placeOf(nodeName, undefined)
    this.changed = new ChangedServices(clock)
    this.#stops = this.#follow(metrics, clock.now())
  }

  #follow(metrics: ProxyMetrics, startedMs: number): (() => void)[] {
    return [
      this.#services.onChange(({ key }) => {
        metrics.changed('service')
        this.changed.add(key)
      }),
      this.#slices.onChange((change) => {
        const atMs = triggeredMs(change)
        // What happened before this process was there says nothing of how fast it is.
        metrics.changed('endpoint', atMs !== undefined && atMs >= startedMs ? atMs : undefined)
        for (const slice of [change.before, change.after]) if (slice) this.changed.add(serviceKeyOf(slice))
      }),
      this.#nodes.onChange(({ key, after }) => {
        if (key !== this.#nodeName) return
        const place = placeOf(key, after)
        if (JSON.stringify(place) === JSON.stringify(this.#place)) return
        this.#place = place
        this.addAll()
      }),
      this.#ranges.onChange(() => this.changed.changes.tell()),
    ]
  }

  /** Every service is to be looked at anew. */
  addAll(): void {
    for (const service of this.#services.list()) this.changed.add(keyOf(service))
  }

  /** What changed since it was last asked. */
  take(): ChangedService[] {
    return this.changed.take().map((key) => ({ key, service: this.#services.get(key), slices: this.#slices.byIndex(BY_SERVICE, key) }))
  }

  get surroundings(): Surroundings {
    return { place: this.#place, serviceCidrs: this.#ranges.list().flatMap(({ spec }) => spec.cidrs ?? []) }
  }

  service(key: string): Service | undefined {
    return this.#services.get(key)
  }

  get node(): Node | undefined {
    return this.#nodes.get(this.#nodeName)
  }

  async synced(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#services, this.#slices, this.#nodes, this.#ranges].map((informer) => informer.synced(signal)))
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }
}
