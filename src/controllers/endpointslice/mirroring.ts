/** The endpointslice mirroring controller: Endpoints that someone wrote by hand for a Service without selector become slices too. */
import { endpoints, services, type Endpoints, type EndpointSubset } from '../../api/kinds/core/v1.ts'
import { endpointslices, type Endpoint, type EndpointPort, type EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { newControllerRef } from '../../api/meta.ts'
import { keyOf, type Draft } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { coalesce } from '../coalesce.ts'
import { canonicalJson, semanticallyEqual } from '../hash.ts'
import { CACHE_LAG_RECHECK_MS, OwnWrites } from '../ownWrites.ts'
import { at } from '../ownership.ts'
import type { EndpointSliceOptions } from './endpointslice.ts'
import { MANAGED_BY, SERVICE_NAME } from './plan.ts'
import { familyOf, hasSelector } from './podEndpoints.ts'
import { TRIGGER_TIME } from './triggerTimes.ts'

const CONTROLLER = 'endpointslicemirroring-controller.k8s.io'
const SKIP = 'endpointslice.kubernetes.io/skip-mirror'
const LEADER = 'control-plane.alpha.kubernetes.io/leader'
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'
const MAX_ENDPOINTS_PER_SUBSET = 1_000
const BY_SERVICE = 'mirrored'

type SliceBody = Pick<EndpointSlice, 'addressType' | 'endpoints' | 'ports'>

function endpointsOf({ addresses = [], notReadyAddresses = [] }: EndpointSubset, addressType: string, max: number): Endpoint[] {
  const all = [
    ...addresses.map((address) => ({ address, ready: true })),
    ...notReadyAddresses.map((address) => ({ address, ready: false })),
  ]
  return all
    .filter(({ address }) => familyOf(address.ip) === addressType)
    .slice(0, max)
    .map(({ address: { ip, hostname, nodeName, targetRef }, ready }) => ({
      addresses: [ip],
      conditions: { ready },
      ...(hostname && { hostname }),
      ...(nodeName && { nodeName }),
      ...(targetRef && { targetRef }),
    }))
}

/** One slice for each subset and address family. */
export function mirroredSlices(object: Endpoints, max = MAX_ENDPOINTS_PER_SUBSET): SliceBody[] {
  const slices: SliceBody[] = []
  for (const subset of object.subsets ?? []) {
    const ports: EndpointPort[] = (subset.ports ?? []).map(({ name = '', port, protocol = 'TCP', appProtocol }) => ({
      name,
      port,
      protocol,
      ...(appProtocol && { appProtocol }),
    }))
    for (const addressType of ['IPv4', 'IPv6']) {
      const list = endpointsOf(subset, addressType, max)
      if (list.length > 0) slices.push({ addressType, endpoints: list, ports })
    }
  }
  return slices
}

/** What a slice has of the object that it mirrors: who owns it, and what people wrote on that, as it is now. */
export function mirroredMetadata(object: Endpoints): Pick<EndpointSlice['metadata'], 'labels' | 'annotations' | 'ownerReferences'> {
  const { name, labels } = object.metadata
  const { [LAST_APPLIED]: _, [TRIGGER_TIME]: __, ...annotations } = object.metadata.annotations ?? {}
  return {
    labels: { ...labels, [SERVICE_NAME]: name, [MANAGED_BY]: CONTROLLER },
    annotations,
    ownerReferences: [newControllerRef(object, endpoints)],
  }
}

function draftOf(object: Endpoints, body: SliceBody): Draft<EndpointSlice> {
  const { name, namespace } = object.metadata
  const metadata = { generateName: `${name}-`, namespace, ...mirroredMetadata(object) }
  return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, ...body }
}

function isMirrored(object: Endpoints): boolean {
  return object.metadata.labels?.[SKIP] !== 'true' && object.metadata.annotations?.[LEADER] === undefined
}

function serviceKey(slice: EndpointSlice): string[] {
  const { namespace, labels } = slice.metadata
  return labels?.[MANAGED_BY] === CONTROLLER && labels[SERVICE_NAME] ? [`${namespace}/${labels[SERVICE_NAME]}`] : []
}

/** How many addresses are too many for the slices. */
export function skippedAddresses(object: Endpoints, max = MAX_ENDPOINTS_PER_SUBSET): number {
  const counts = (object.subsets ?? []).map(({ addresses = [], notReadyAddresses = [] }) => addresses.length + notReadyAddresses.length)
  return counts.reduce((sum, count) => sum + Math.max(0, count - max), 0)
}

export function endpointSliceMirroringController(context: ControllerContext, options: Partial<EndpointSliceOptions> = {}): Controller {
  const { client, informers, events, clock } = context
  const { maxEndpoints = MAX_ENDPOINTS_PER_SUBSET, batchMs = 0 } = options
  const serviceInformer = informers.for(services)
  const endpointsInformer = informers.for(endpoints)
  const sliceInformer = informers.for(endpointslices)
  sliceInformer.addIndex(BY_SERVICE, serviceKey)
  const writes = new OwnWrites()

  function wanted(key: string): Endpoints | undefined {
    const service = serviceInformer.get(key)
    const object = endpointsInformer.get(key)
    if (!service || !object || hasSelector(service) || !isMirrored(object) || service.metadata.deletionTimestamp !== undefined)
      return undefined
    return object
  }

  return {
    name: 'endpointslice-mirroring-controller',
    watches: [
      { start: (all, enqueue) => watch(endpoints, (object) => [keyOf(object)]).start(all, coalesce(enqueue, clock, batchMs)) },
      watch(services, (service) => [keyOf(service)]),
      watch(endpointslices, serviceKey),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      if (!writes.seenBy(key, sliceInformer)) return { requeueAfterMs: CACHE_LAG_RECHECK_MS }
      const object = wanted(key)
      const skipped = object ? skippedAddresses(object, maxEndpoints) : 0
      if (object && skipped > 0) {
        const limit = `A max of ${maxEndpoints} addresses can be mirrored to EndpointSlices per Endpoints subset.`
        const message = `${limit} ${skipped} addresses were skipped`
        events.record(object, { type: 'Warning', reason: 'TooManyAddressesToMirror', message })
      }
      const mirrored = object ? mirroredSlices(object, maxEndpoints).map((body) => ({ object, body })) : []
      const spare = [...sliceInformer.byIndex(BY_SERVICE, key)]
      const take = (fits: (slice: EndpointSlice) => boolean): EndpointSlice | undefined => {
        const found = spare.findIndex(fits)
        return found < 0 ? undefined : spare.splice(found, 1)[0]
      }
      for (const { object, body } of mirrored) {
        const known =
          take((slice) => slice.addressType === body.addressType && canonicalJson(slice.ports) === canonicalJson(body.ports)) ??
          take((slice) => slice.addressType === body.addressType)
        if (!known) {
          writes.wrote(key, await client.create(endpointslices, draftOf(object, body), { signal }))
          continue
        }
        const next = { ...known, ...body, metadata: { ...known.metadata, ...mirroredMetadata(object) } }
        if (!semanticallyEqual(next, known)) writes.wrote(key, await client.update(endpointslices, next, { signal }))
      }
      for (const slice of spare) {
        await client.delete(endpointslices, { ...at(slice), signal }).catch((error: unknown) => {
          if (!isNotFound(error)) throw error
        })
      }
    },
  }
}
