/** The EndpointSlices of a Service, from its pods and the slices it has: endpoints stay where they are, slices hold up to 100. */
import type { Node, Pod, Service } from '../../api/kinds/core/v1.ts'
import { services } from '../../api/kinds/core/v1.ts'
import type { Endpoint, EndpointPort, EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { newControllerRef } from '../../api/meta.ts'
import type { Draft } from '../../api/resource.ts'
import { semanticallyEqual } from '../hash.ts'
import { isReady } from '../podState.ts'
import { planHints, wantsHints, type ZoneShares } from './topologyHints.ts'
import { familyOf, hostnameOf, ipsOf, isHeadless, portsKey, portsOf, type ResolvedPort } from './podEndpoints.ts'

export const SERVICE_NAME = 'kubernetes.io/service-name'
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by'
export const CONTROLLER = 'endpointslice-controller.k8s.io'
export const HEADLESS = 'service.kubernetes.io/headless'
const ZONE = 'topology.kubernetes.io/zone'
const SAME_NODE = 'PreferSameNode'
const NEAR = new Set(['PreferClose', 'PreferSameZone', SAME_NODE])
const MAX_ENDPOINTS_PER_SLICE = 100

export interface SliceInput {
  service: Service
  /** Those that it selects, with addresses. */
  pods: readonly Pod[]
  /** Its slices of this controller. */
  slices: readonly EndpointSlice[]
  nodeOf: (nodeName: string) => Node | undefined
  /** For Services that want topology aware routing. */
  shares?: ZoneShares
  /** How many endpoints a slice may hold. */
  maxEndpoints?: number
}

export interface SlicePlan {
  create: Draft<EndpointSlice>[]
  update: EndpointSlice[]
  remove: EndpointSlice[]
  /** Why there are no hints for zones, by address family. */
  problems: string[]
  /** Pods whose nodes are not there: nobody can say that they are to be reached. */
  skipped: Pod[]
}

function endpointOf(service: Service, pod: Pod, ip: string, node: Node | undefined): Endpoint {
  const { nodeName } = pod.spec
  const serving = isReady(pod)
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const hostname = hostnameOf(service, pod)
  const zone = node?.metadata.labels?.[ZONE]
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating)
  const hints = ready ? hintsOf(service, zone, nodeName) : undefined
  return {
    addresses: [ip],
    conditions: { ready, serving, terminating },
    ...(hostname && { hostname }),
    targetRef: { kind: 'Pod', namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
    ...(nodeName && { nodeName }),
    ...(zone && { zone }),
    ...(hints && { hints }),
  }
}

/** Whom an endpoint is for, where the Service wants its traffic to stay near (spec.trafficDistribution). */
function hintsOf(service: Service, zone: string | undefined, nodeName: string | undefined): Endpoint['hints'] {
  const wanted = wantsHints(service) ? undefined : service.spec?.trafficDistribution
  if (!wanted || !NEAR.has(wanted)) return undefined
  const forNodes = wanted === SAME_NODE && nodeName
  if (!zone && !forNodes) return undefined
  return { ...(zone && { forZones: [{ name: zone }] }), ...(forNodes && { forNodes: [{ name: nodeName }] }) }
}

function labelsOf(service: Service): Record<string, string> {
  const { [HEADLESS]: _, ...labels } = service.metadata.labels ?? {}
  return { ...labels, ...(isHeadless(service) && { [HEADLESS]: '' }), [SERVICE_NAME]: service.metadata.name, [MANAGED_BY]: CONTROLLER }
}

/** In the API's own order of fields; null where there are none, as a slice without endpoints has it. */
function slicePorts(ports: readonly ResolvedPort[]): EndpointPort[] {
  return ports.map(({ name, port, protocol, appProtocol }) => ({ name, protocol, port, ...(appProtocol && { appProtocol }) }))
}

function existingKey(slice: EndpointSlice): string {
  const ports = (slice.ports ?? []).map(({ name = '', protocol = 'TCP', port = 0, appProtocol }) => ({
    name,
    protocol,
    port,
    ...(appProtocol && { appProtocol }),
  }))
  return `${slice.addressType} ${portsKey(ports)}`
}

interface Group {
  addressType: string
  ports: readonly ResolvedPort[]
  /** By pod uid. */
  endpoints: Map<string, Endpoint>
}

function groupEndpoints(service: Service, pods: readonly Pod[], nodeOf: SliceInput['nodeOf']): Map<string, Group> {
  const families = service.spec?.ipFamilies ?? ['IPv4']
  const groups = new Map<string, Group>()
  for (const pod of pods) {
    const ports = portsOf(service, pod)
    for (const addressType of families) {
      const ip = ipsOf(pod).find((candidate) => familyOf(candidate) === addressType)
      if (!ip) continue
      const key = `${addressType} ${portsKey(ports)}`
      let group = groups.get(key)
      if (!group) groups.set(key, (group = { addressType, ports, endpoints: new Map() }))
      group.endpoints.set(pod.metadata.uid, endpointOf(service, pod, ip, nodeOf(pod.spec.nodeName ?? '')))
    }
  }
  return groups
}

/** Topology aware routing: each family by itself. */
function setHints(service: Service, groups: ReadonlyMap<string, Group>, shares: ZoneShares): string[] {
  const problems: string[] = []
  for (const family of service.spec?.ipFamilies ?? ['IPv4']) {
    const own = [...groups.values()].filter(({ addressType }) => addressType === family)
    const plan = planHints(
      own.flatMap(({ endpoints }) => [...endpoints.values()]),
      shares,
    )
    if ('problem' in plan) {
      problems.push(`${plan.problem}, addressType: ${family}`)
      continue
    }
    for (const { endpoints } of own)
      for (const [uid, endpoint] of endpoints) {
        const zone = plan.zones.get(endpoint)
        if (zone) endpoints.set(uid, { ...endpoint, hints: { forZones: [{ name: zone }] } })
      }
  }
  return problems
}

export function planSlices(input: SliceInput): SlicePlan {
  const { service, slices, nodeOf, maxEndpoints = MAX_ENDPOINTS_PER_SLICE } = input
  // Who publishes whatever there is publishes these, too.
  const isReachable = (pod: Pod): boolean =>
    service.spec?.publishNotReadyAddresses === true || nodeOf(pod.spec.nodeName ?? '') !== undefined
  const plan: SlicePlan = { create: [], update: [], remove: [], problems: [], skipped: input.pods.filter((pod) => !isReachable(pod)) }
  const labels = labelsOf(service)
  const ownerReferences = [newControllerRef(service, services)]
  const groups = groupEndpoints(service, input.pods.filter(isReachable), nodeOf)
  if (wantsHints(service)) plan.problems.push(...setHints(service, groups, input.shares))
  const draft = (addressType: string, endpoints: Endpoint[], ports: EndpointPort[]): Draft<EndpointSlice> => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { generateName: `${service.metadata.name}-`, namespace: service.metadata.namespace, labels, ownerReferences },
    addressType,
    ...(endpoints.length > 0 && { endpoints }),
    ...(ports.length > 0 && { ports }),
  })
  const update = (slice: EndpointSlice, endpoints: Endpoint[], ports = slice.ports): void => {
    const next: EndpointSlice = { ...slice, metadata: { ...slice.metadata, labels, ownerReferences }, endpoints, ...(ports && { ports }) }
    if (!semanticallyEqual(next, slice)) plan.update.push(next)
  }
  const byKey = Map.groupBy(slices, existingKey)
  const unused = [...byKey].filter(([key]) => !groups.has(key)).flatMap(([, list]) => list)
  for (const [key, { addressType, ports, endpoints }] of groups) {
    const left = new Map(endpoints)
    const kept = (byKey.get(key) ?? []).map((slice) => ({ slice, endpoints: keepEndpoints(slice, left) }))
    for (const one of kept) {
      for (const [uid, endpoint] of left) {
        if (one.endpoints.length >= maxEndpoints) break
        one.endpoints.push(endpoint)
        left.delete(uid)
      }
      if (one.endpoints.length === 0) plan.remove.push(one.slice)
      else update(one.slice, one.endpoints)
    }
    const rest = [...left.values()]
    for (let at = 0; at < rest.length; at += maxEndpoints) {
      const part = rest.slice(at, at + maxEndpoints)
      // A slice that would go away can take the new ports instead.
      const spare = unused.findIndex((slice) => slice.addressType === addressType)
      const [reused] = spare < 0 ? [] : unused.splice(spare, 1)
      if (reused) update(reused, part, slicePorts(ports))
      else plan.create.push(draft(addressType, part, slicePorts(ports)))
    }
  }
  keepPlaceholders(service, groups, unused, { plan, draft, update })
  return plan
}

/** Takes the endpoints that the slice already holds out of `left`, as they are now. */
function keepEndpoints(slice: EndpointSlice, left: Map<string, Endpoint>): Endpoint[] {
  const kept: Endpoint[] = []
  for (const { targetRef } of slice.endpoints ?? []) {
    const endpoint = targetRef?.uid === undefined ? undefined : left.get(targetRef.uid)
    if (!endpoint || targetRef?.uid === undefined) continue
    kept.push(endpoint)
    left.delete(targetRef.uid)
  }
  return kept
}

interface PlaceholderActions {
  plan: SlicePlan
  draft(addressType: string, endpoints: Endpoint[], ports: EndpointPort[]): Draft<EndpointSlice>
  update(slice: EndpointSlice, endpoints: Endpoint[], ports?: EndpointPort[]): void
}

/** A family without endpoints keeps one empty slice, so that its consumers know that there are none. */
function keepPlaceholders(
  service: Service,
  groups: ReadonlyMap<string, Group>,
  unused: readonly EndpointSlice[],
  { plan, draft, update }: PlaceholderActions,
): void {
  const served = new Set([...groups.values()].map((group) => group.addressType))
  const families = service.spec?.ipFamilies ?? ['IPv4']
  const placeholders = new Set<EndpointSlice>()
  for (const family of families) {
    if (served.has(family)) continue
    const empty = unused.find((slice) => slice.addressType === family)
    if (!empty) plan.create.push(draft(family, [], []))
    else {
      placeholders.add(empty)
      update(empty, [], [])
    }
  }
  for (const slice of unused) if (!placeholders.has(slice)) plan.remove.push(slice)
}
