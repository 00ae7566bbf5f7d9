/**
 * The service CIDR controller: ranges that Services get their addresses of become ready, and do not go while an address would be
 * left without one (upstream's pkg/controller/servicecidrs). The API server allocates from those that are ready.
 */
import { ipaddresses, servicecidrs, type ServiceCIDR } from '../../api/kinds/networking/v1.ts'
import { findCondition, timestamp } from '../../api/meta.ts'
import { isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { FINALIZER, overlappingRanges, planServiceCidr, rangesOfAddress } from './plan.ts'

const NAME = 'service-cidr-controller'

export function serviceCidrController({ client, informers, clock }: ControllerContext): Controller {
  const ranges = informers.for(servicecidrs)
  const addresses = informers.for(ipaddresses)

  async function setFinalizers(range: ServiceCIDR, finalizers: readonly string[], signal: AbortSignal): Promise<void> {
    const { name, resourceVersion } = range.metadata
    try {
      const patch = { metadata: { resourceVersion, finalizers } }
      await client.patch(servicecidrs, { name, type: 'application/merge-patch+json', signal }, patch)
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  /** Applied, so that the condition has the controller as its owner. */
  async function setReady(range: ServiceCIDR, status: string, reason: string, message: string, signal: AbortSignal): Promise<void> {
    const known = findCondition(range.status?.conditions, 'Ready')
    if (known?.status === status && (known.reason ?? '') === reason && known.message === message) return
    const { name } = range.metadata
    const condition = { type: 'Ready', status, reason, message, lastTransitionTime: timestamp(clock.now()) }
    await client.patch(
      servicecidrs,
      { name, subresource: 'status', type: 'application/apply-patch+yaml', fieldManager: NAME, force: true, signal },
      { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name }, status: { conditions: [condition] } },
    )
  }

  return {
    name: NAME,
    watches: [
      watch(servicecidrs, (range) => [...new Set([range.metadata.name, ...overlappingRanges(ranges.list(), range)])]),
      watch(ipaddresses, (address) => {
        // Only where an address decides whether a range may go.
        const leaving = ranges.list().filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
        return leaving.length === 0 ? [] : rangesOfAddress(leaving, address)
      }),
    ],
    async reconcile(name, signal): Promise<Outcome> {
      const range = ranges.get(name)
      if (!range) return
      const plan = planServiceCidr(range, ranges.list(), addresses.list(), clock.now())
      const { finalizers = [] } = range.metadata
      if (plan.do === 'wait') return { requeueAfterMs: plan.leftMs }
      if (plan.do === 'release') {
        if (finalizers.includes(FINALIZER))
          await setFinalizers(
            range,
            finalizers.filter((other) => other !== FINALIZER),
            signal,
          )
        return
      }
      if (plan.do === 'keep' && plan.addFinalizer) await setFinalizers(range, [...finalizers, FINALIZER], signal)
      await setReady(range, plan.status, plan.reason, plan.message, signal)
    },
  }
}
