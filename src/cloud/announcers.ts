/**
 * Which node answers for the address of a load balancer. The first node does, unless the service keeps its traffic on nodes that
 * have endpoints (`externalTrafficPolicy: Local`) and the first has none: then the address is at a node that has, as with
 * load balancers that announce addresses in the local network, and the client's own address arrives there. Every node finds
 * out by itself, from the same objects.
 */
import { nodes, services, type Node, type Service } from '../api/kinds/core/v1.ts'
import { endpointslices, type EndpointSlice } from '../api/kinds/discovery/v1.ts'
import { isConditionTrue } from '../api/meta.ts'
import { keyOf } from '../api/resource.ts'
import type { Informers } from '../client/informer.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'
import type { LoadBalancers } from './provider.ts'

const SERVICE_NAME = 'kubernetes.io/service-name'
const BY_SERVICE = 'announcers/service'
const BY_TYPE = 'announcers/type'
const LOAD_BALANCER = 'LoadBalancer'
const CONTROL_PLANE = 'node-role.kubernetes.io/control-plane'
/** Upstream's: load balancers leave such a node alone. */
const EXCLUDED = 'node.kubernetes.io/exclude-from-external-load-balancers'

const isFirst = ({ metadata }: Node): boolean => metadata.labels?.[CONTROL_PLANE] !== undefined
const isUsable = ({ metadata, status }: Node): boolean =>
  isConditionTrue(status?.conditions, 'Ready') && metadata.labels?.[EXCLUDED] === undefined && metadata.deletionTimestamp === undefined

/** The control plane's own, then by name. */
function inOrder(a: Node, b: Node): number {
  return Number(isFirst(b)) - Number(isFirst(a)) || (a.metadata.name < b.metadata.name ? -1 : 1)
}

function hasEndpoint(slices: readonly EndpointSlice[], nodeName: string): boolean {
  return slices.some(({ endpoints }) => (endpoints ?? []).some((one) => one.nodeName === nodeName && (one.conditions?.ready ?? true)))
}

/** Undefined while there is no node at all. */
export function announcingNode({ spec }: Service, slices: readonly EndpointSlice[], all: readonly Node[]): string | undefined {
  const sorted = all.toSorted(inOrder)
  const usable = sorted.filter(isUsable)
  const near = spec.externalTrafficPolicy === 'Local' ? usable.find(({ metadata }) => hasEndpoint(slices, metadata.name)) : undefined
  return (near ?? usable[0] ?? sorted[0])?.metadata.name
}

const serviceKeyOf = ({ metadata }: EndpointSlice): string => `${metadata.namespace}/${metadata.labels?.[SERVICE_NAME]}`

export class Announcers {
  readonly #nodes
  readonly #slices
  readonly #services

  constructor(informers: Informers) {
    this.#nodes = informers.for(nodes)
    this.#slices = informers.for(endpointslices)
    this.#services = informers.for(services)
    this.#slices.addIndex(BY_SERVICE, (slice) => [serviceKeyOf(slice)])
    this.#services.addIndex(BY_TYPE, ({ spec }) => [spec.type ?? ''])
  }

  nodeOf(service: Service | undefined): string | undefined {
    return service && announcingNode(service, this.#slices.byIndex(BY_SERVICE, keyOf(service)), this.#nodes.list())
  }

  /** What may move an address, for a controller that looks at all of them by one key. */
  watches(key: string): Controller['watches'] {
    const isMovable = (service: Service | undefined): boolean =>
      service?.spec.type === LOAD_BALANCER && service.spec.externalTrafficPolicy === 'Local'
    return [
      watch(nodes, () => (this.#services.byIndex(BY_TYPE, LOAD_BALANCER).length > 0 ? [key] : [])),
      watch(endpointslices, (slice) => (isMovable(this.#services.get(serviceKeyOf(slice))) ? [key] : [])),
    ]
  }
}

const ALL = 'all'

/** Of a further node: the addresses that services have been given and that are its to answer for. */
export function loadBalancerAddresses({ announce, nodeName }: Omit<LoadBalancers, 'pool'>, { informers }: ControllerContext): Controller {
  const announcers = new Announcers(informers)
  return {
    name: 'service-lb-addresses',
    workers: 1,
    watches: [watch(services, () => [ALL]), ...announcers.watches(ALL)],
    async reconcile(_key, signal) {
      const ours = informers
        .for(services)
        .list()
        .filter(({ spec }) => spec.type === LOAD_BALANCER && !spec.loadBalancerClass)
        .filter((service) => announcers.nodeOf(service) === nodeName)
      const addresses = ours.flatMap(({ status }) => status?.loadBalancer?.ingress?.flatMap(({ ip }) => ip ?? []) ?? [])
      await announce(addresses, signal)
    },
  }
}
