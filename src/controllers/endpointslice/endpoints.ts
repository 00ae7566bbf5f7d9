/** The endpoints controller: the older form of the same, one Endpoints object for each Service, for clients that still read it. */
import {
  endpoints,
  pods,
  services,
  type EndpointAddress,
  type Endpoints,
  type EndpointSubset,
  type Pod,
  type Service,
} from '../../api/kinds/core/v1.ts'
import { keyOf, splitKey } from '../../api/resource.ts'
import { isAlreadyExists, isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { semanticallyEqual } from '../hash.ts'
import { isNamespaceTerminating } from '../podControl.ts'
import { isReady } from '../podState.ts'
import { coalesce, GrowingWindow } from '../coalesce.ts'
import { BATCH_WINDOW_MS, watchPods } from './endpointslice.ts'
import { HEADLESS } from './plan.ts'
import { TriggerTimes, withTriggerTime } from './triggerTimes.ts'
import { familyOf, hasSelector, hostnameOf, ipsOf, isHeadless, portsKey, portsOf, selectedPods, type ResolvedPort } from './podEndpoints.ts'

const MANAGED_BY = 'endpoints.kubernetes.io/managed-by'
const CONTROLLER = 'endpoint-controller'
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity'
export const MAX_ADDRESSES = 1_000

interface Group {
  ports: ResolvedPort[]
  ready: EndpointAddress[]
  notReady: EndpointAddress[]
}

function addressOf(service: Service, pod: Pod, ip: string): EndpointAddress {
  const hostname = hostnameOf(service, pod)
  return {
    ip,
    ...(hostname && { hostname }),
    ...(pod.spec.nodeName && { nodeName: pod.spec.nodeName }),
    targetRef: { kind: 'Pod', namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
  }
}

const byIp = (a: EndpointAddress, b: EndpointAddress): number => (a.ip < b.ip ? -1 : 1)

export function planSubsets(service: Service, selected: readonly Pod[]): { subsets: EndpointSubset[]; truncated: boolean } {
  const family = service.spec?.ipFamilies?.[0] ?? 'IPv4'
  const unready = service.spec?.publishNotReadyAddresses === true
  const groups = new Map<string, Group>()
  let room = MAX_ADDRESSES
  const [readyPods, others]: [Pod[], Pod[]] = [[], []]
  for (const pod of selected) (isReady(pod) ? readyPods : others).push(pod)
  const firstOther = readyPods.length
  // Ready ones first: they are what a full object must not lose.
  for (const [i, pod] of [...readyPods, ...others].entries()) {
    const ip = ipsOf(pod).find((candidate) => familyOf(candidate) === family)
    if (!ip || (pod.metadata.deletionTimestamp !== undefined && !unready)) continue
    const ports = portsOf(service, pod)
    if (ports.length === 0 && (service.spec?.ports ?? []).length > 0) continue
    if (room-- <= 0) break
    const key = portsKey(ports)
    let group = groups.get(key)
    if (!group) groups.set(key, (group = { ports, ready: [], notReady: [] }))
    const list = unready || i < firstOther ? group.ready : group.notReady
    list.push(addressOf(service, pod, ip))
  }
  const subsets = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { ports, ready, notReady }]) => ({
      ...(ready.length > 0 && { addresses: ready.sort(byIp) }),
      ...(notReady.length > 0 && { notReadyAddresses: notReady.sort(byIp) }),
      ...(ports.length > 0 && {
        ports: ports.map(({ name, port, protocol, appProtocol }) => ({
          ...(name && { name }),
          port,
          protocol,
          ...(appProtocol && { appProtocol }),
        })),
      }),
    }))
  return { subsets, truncated: room < 0 }
}

function desired(
  service: Service,
  selected: readonly Pod[],
  known: Endpoints | undefined,
): Pick<Endpoints, 'subsets'> & { labels: Record<string, string>; annotations: Record<string, string> } {
  const { subsets, truncated } = planSubsets(service, selected)
  const { [OVER_CAPACITY]: _, ...annotations } = known?.metadata.annotations ?? {}
  const { [HEADLESS]: __, ...labels } = service.metadata.labels ?? {}
  return {
    labels: { ...labels, ...(isHeadless(service) && { [HEADLESS]: '' }), [MANAGED_BY]: CONTROLLER },
    annotations: { ...annotations, ...(truncated && { [OVER_CAPACITY]: 'truncated' }) },
    subsets,
  }
}

export function endpointsController(context: ControllerContext, batchMs = BATCH_WINDOW_MS): Controller {
  const { client, informers, clock } = context
  const serviceInformer = informers.for(services)
  const podInformer = informers.for(pods)
  const endpointsInformer = informers.for(endpoints)
  const window = new GrowingWindow(batchMs)
  const triggers = new TriggerTimes()

  async function remove(key: string, signal: AbortSignal): Promise<void> {
    if (endpointsInformer.get(key)?.metadata.labels?.[MANAGED_BY] !== CONTROLLER) return
    await client.delete(endpoints, { ...splitKey(key), signal }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
  }

  return {
    name: 'endpoints-controller',
    watches: [
      watch(services, (service) => [keyOf(service)]),
      watchPods(context, window),
      { start: (all, enqueue) => watch(endpoints, (object) => [keyOf(object)]).start(all, coalesce(enqueue, clock, window.ofKey)) },
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const service = serviceInformer.get(key)
      if (!service) {
        window.forget(key)
        triggers.forget(key)
        return remove(key, signal)
      }
      if (!hasSelector(service)) return
      const known = endpointsInformer.get(key)
      const startMs = clock.now()
      const selected = selectedPods(service, podInformer)
      const { labels, annotations, subsets } = desired(service, selected, known)
      const next: Endpoints | undefined = known && {
        ...known,
        metadata: { ...known.metadata, labels, annotations },
        ...(subsets && { subsets }),
      }
      const isDue = next && !semanticallyEqual(next, known)
      window.note(key, selected.length, clock.now() - startMs)
      const { name, namespace } = service.metadata
      const stamped = withTriggerTime(annotations, triggers.look(key, service, selected))
      if (next) {
        if (isDue) await client.update(endpoints, { ...next, metadata: { ...next.metadata, annotations: stamped } }, { signal })
        return
      }
      try {
        await client.create(
          endpoints,
          { apiVersion: 'v1', kind: 'Endpoints', metadata: { name, namespace, labels, annotations: stamped }, ...(subsets && { subsets }) },
          { signal },
        )
      } catch (error) {
        if (!isNamespaceTerminating(error) && !isAlreadyExists(error)) throw error
      }
    },
  }
}
