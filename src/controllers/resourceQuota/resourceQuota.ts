/** The resourcequota controller: keeps the observed usage of quotas true; admission counts on it when it lets objects in. */
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { resourcequotas, type ResourceQuota } from '../../api/kinds/core/v1.ts'
import { deviceclasses } from '../../api/kinds/resource/v1.ts'
import { keyOf, type Resource } from '../../api/resource.ts'
import { watch, type Controller, type ControllerContext, type Watch } from '../../reconcile/controller.ts'
import { coalesce, GrowingWindow } from '../coalesce.ts'
import { semanticallyEqual } from '../hash.ts'
import { CustomCounts } from './customCounts.ts'
import { counted, customNames, MEASURED, ObservedUsage } from './observedUsage.ts'
import { isReasonToCount, quotaStatus } from './quotaStatus.ts'

/** A namespace that empties makes one write for many objects. */
const BATCH_WINDOW_MS = 100
/** Charges for what was not stored after all are given back by then. */
const RESYNC_MS = 5 * 60_000
/** What was on its way when a quota came, or came to limit something else, is there by then: it is counted once more. */
const SETTLED_MS = 1_000

export interface ResourceQuotaOptions {
  resyncMs: number
}

export function resourceQuotaController(
  context: ControllerContext,
  { resyncMs = RESYNC_MS }: Partial<ResourceQuotaOptions> = {},
): Controller {
  const { client, informers, clock } = context
  const quotaInformer = informers.for(resourcequotas)
  const window = new GrowingWindow(BATCH_WINDOW_MS)
  let countAnew: (namespace: string) => void = () => {}
  const customCounts = new CustomCounts(context, informers, (namespace) => countAnew(namespace))
  const observed = new ObservedUsage(informers, customCounts)

  const changesOf = (resource: Resource): Watch => ({
    start(_, enqueue) {
      const informer = informers.for(resource)
      const add = coalesce(enqueue, clock, window.ofKey)
      informer.onChange(({ before, after }) => {
        if (!isReasonToCount(resource, before, after)) return
        const namespace = (after ?? before)?.metadata.namespace
        for (const quota of namespace ? quotaInformer.list(namespace) : []) add(keyOf(quota))
      })
      return informer
    },
  })

  /** A quota's status is what admission charges to; what it limits says whether to count anew. */
  const quotas: Watch = {
    start(_, enqueue) {
      const add = coalesce(enqueue, clock, window.ofKey)
      quotaInformer.onChange(({ key, before, after }) => {
        if (!before || !after || !semanticallyEqual(before.spec, after.spec)) add(key)
      })
      return quotaInformer
    },
  }

  /** Quotas may count what is defined later. */
  const definitions: Watch = {
    start(_, enqueue) {
      const add = coalesce(enqueue, clock, BATCH_WINDOW_MS)
      countAnew = (namespace) => {
        for (const quota of quotaInformer.list(namespace)) add(keyOf(quota))
      }
      const informer = informers.for(customresourcedefinitions)
      informer.onChange(() => {
        for (const quota of quotaInformer.list()) if (customNames(quota).length > 0) add(keyOf(quota))
      })
      return informer
    },
  }

  /** Much to look at is looked at less often. */
  async function measured(quota: ResourceQuota, signal: AbortSignal): ReturnType<ObservedUsage['of']> {
    const startMs = clock.now()
    const usage = await observed.of(quota, signal)
    window.note(keyOf(quota), observed.size(quota), clock.now() - startMs)
    return usage
  }

  return {
    name: 'resourcequota-controller',
    watches: [
      quotas,
      ...[...MEASURED, ...counted].map(changesOf),
      // What devices are called by pods shows with the next count.
      watch(deviceclasses, () => []),
      definitions,
    ],
    async reconcile(key, signal) {
      const quota = quotaInformer.get(key)
      if (!quota || quota.metadata.deletionTimestamp !== undefined) return window.forget(key)
      const status = quotaStatus(quota, await measured(quota, signal))
      if (!semanticallyEqual(status, quota.status))
        await client.update(resourcequotas, { ...quota, status }, { subresource: 'status', signal })
      return { requeueAfterMs: semanticallyEqual(status.hard, quota.status?.hard) ? resyncMs : SETTLED_MS }
    },
  }
}
