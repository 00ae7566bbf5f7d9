/** The endpointslice controller: where the pods of each Service with a selector can be reached (upstream's pkg/controller/endpointslice). */
import { nodes, pods, services, type Pod, type Service } from '../../api/kinds/core/v1.ts'
import { endpointslices, type EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { keyOf } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome, type Watch } from '../../reconcile/controller.ts'
import { coalesce, GrowingWindow } from '../coalesce.ts'
import { isNamespaceTerminating } from '../podControl.ts'
import { CACHE_LAG_RECHECK_MS, OwnWrites } from '../ownWrites.ts'
import { at } from '../ownership.ts'
import { CONTROLLER, MANAGED_BY, planSlices, SERVICE_NAME, type SlicePlan } from './plan.ts'
import { endpointFacts, hasSelector, selectedPods, servicesOf } from './podEndpoints.ts'
import { wantsHints, zoneShares } from './topologyHints.ts'
import { TriggerTimes, withTriggerTime } from './triggerTimes.ts'

/** Pods that change together make one write rather than many. */
export const BATCH_WINDOW_MS = 20
const BY_SERVICE = 'service'

/** Services whose pods changed in a way that endpoints show. */
export function watchPods({ informers, clock }: ControllerContext, window: GrowingWindow): Watch {
  const podInformer = informers.for(pods)
  const serviceInformer = informers.for(services)
  return {
    start(_, enqueue) {
      const add = coalesce(enqueue, clock, window.ofKey)
      podInformer.onChange(({ before, after }) => {
        if (before && after && endpointFacts(before) === endpointFacts(after)) return
        const keys = new Set([before, after].flatMap((pod) => (pod ? servicesOf(pod, serviceInformer) : [])))
        for (const key of keys) add(key)
      })
      return podInformer
    },
  }
}

function serviceKey(slice: EndpointSlice): string[] {
  const { namespace, labels } = slice.metadata
  return labels?.[MANAGED_BY] === CONTROLLER && labels[SERVICE_NAME] ? [`${namespace}/${labels[SERVICE_NAME]}`] : []
}

export interface EndpointSliceOptions {
  maxEndpoints: number
  /** For how long changes are taken together. */
  batchMs: number
}

export function endpointSliceController(context: ControllerContext, options: Partial<EndpointSliceOptions> = {}): Controller {
  const { maxEndpoints, batchMs = BATCH_WINDOW_MS } = options
  const { client, informers, events, clock } = context
  const serviceInformer = informers.for(services)
  const podInformer = informers.for(pods)
  const nodeInformer = informers.for(nodes)
  const sliceInformer = informers.for(endpointslices)
  sliceInformer.addIndex(BY_SERVICE, serviceKey)
  const writes = new OwnWrites()
  const window = new GrowingWindow(batchMs)
  const triggers = new TriggerTimes()
  const hinted = new Set<string>()
  /** Names of nodes that are not there though a Service's pods are on them, by the Service's key. */
  const missingNodes = new Map<string, ReadonlySet<string>>()

  function tellHints(service: Service, problems: readonly string[]): void {
    const key = keyOf(service)
    const has = wantsHints(service) && problems.length === 0
    const had = hinted.has(key)
    const [family = 'IPv4'] = service.spec?.ipFamilies ?? []
    const gone = had && !wantsHints(service) ? [`Topology Aware Hints has been disabled, addressType: ${family}`] : problems
    for (const message of gone) events.record(service, { type: 'Warning', reason: 'TopologyAwareHintsDisabled', message })
    if (has && !had) {
      const message = `Topology Aware Hints has been enabled, addressType: ${family}`
      events.record(service, { type: 'Normal', reason: 'TopologyAwareHintsEnabled', message })
    }
    if (has) hinted.add(key)
    else hinted.delete(key)
  }

  function tellSkipped(service: Service, skipped: readonly Pod[]): void {
    const key = keyOf(service)
    const reasons = [
      ...new Set(
        skipped.map(({ metadata, spec }) => `skipping Pod ${metadata.name} for Service ${key}: Node ${spec.nodeName ?? ''} Not Found`),
      ),
    ]
    const told = reasons.length > 1 ? `[${reasons.join(', ')}]` : reasons[0]
    if (told === undefined) return void missingNodes.delete(key)
    missingNodes.set(key, new Set(skipped.map(({ spec }) => spec.nodeName ?? '')))
    const message = `Error updating Endpoint Slices for Service ${key}: ${told}`
    events.record(service, { type: 'Warning', reason: 'FailedToUpdateEndpointSlices', message })
  }

  function planOf(service: Service, selected: readonly Pod[]): SlicePlan {
    return planSlices({
      service,
      pods: selected,
      slices: sliceInformer.byIndex(BY_SERVICE, keyOf(service)).filter((slice) => slice.metadata.deletionTimestamp === undefined),
      nodeOf: (name) => nodeInformer.get(name),
      ...(maxEndpoints && { maxEndpoints }),
      ...(wantsHints(service) && { shares: zoneShares(nodeInformer.list()) }),
    })
  }

  async function apply(key: string, { create, update, remove }: SlicePlan, time: string | undefined, signal: AbortSignal): Promise<void> {
    const stamped = <S extends { metadata: { annotations?: Record<string, string> } }>(slice: S): S => {
      const { annotations: _, ...metadata } = slice.metadata
      const annotations = withTriggerTime(slice.metadata.annotations, time)
      return { ...slice, metadata: { ...metadata, ...(Object.keys(annotations).length > 0 && { annotations }) } }
    }
    for (const slice of remove) {
      const gone = client.delete(endpointslices, { ...at(slice), signal }, { preconditions: { uid: slice.metadata.uid } })
      await gone.catch((error: unknown) => {
        if (!isNotFound(error)) throw error
      })
    }
    for (const slice of update) writes.wrote(key, await client.update(endpointslices, stamped(slice), { signal }))
    for (const draft of create) {
      try {
        writes.wrote(key, await client.create(endpointslices, stamped(draft), { signal }))
      } catch (error) {
        if (!isNamespaceTerminating(error)) throw error
      }
    }
  }

  function forget(key: string): void {
    window.forget(key)
    triggers.forget(key)
    hinted.delete(key)
    missingNodes.delete(key)
  }

  /** A node that comes brings the pods that were there before it. */
  const waitingFor = (nodeName: string): string[] =>
    nodeInformer.get(nodeName) ? [...missingNodes].flatMap(([key, names]) => (names.has(nodeName) ? [key] : [])) : []

  return {
    name: 'endpointslice-controller',
    watches: [
      watch(services, (service) => [keyOf(service)]),
      watchPods(context, window),
      { start: (all, enqueue) => watch(endpointslices, serviceKey).start(all, coalesce(enqueue, clock, window.ofKey)) },
      watch(nodes, ({ metadata }) => waitingFor(metadata.name)),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const service = serviceInformer.get(key)
      if (!service) forget(key)
      // The slices of a Service that is gone are the garbage collector's.
      if (!service || !hasSelector(service) || service.metadata.deletionTimestamp !== undefined) return
      if (!writes.seenBy(key, sliceInformer)) return { requeueAfterMs: CACHE_LAG_RECHECK_MS }
      const startMs = clock.now()
      const selected = selectedPods(service, podInformer)
      const plan = planOf(service, selected)
      tellHints(service, plan.problems)
      window.note(key, selected.length, clock.now() - startMs)
      await apply(key, plan, triggers.look(key, service, selected), signal)
      tellSkipped(service, plan.skipped)
    },
  }
}
