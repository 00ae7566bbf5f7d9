/**
 * Which pods make room for a critical one that has been bound to a node without: as few as possible, those that lose least
 * by it first. Pure; order and texts are upstream's (pkg/kubelet/preemption).
 */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { isCritical } from '../pods/critical.ts'
import { podAmounts } from '../resources/podResources.ts'
import { podQosClass, type QosClass } from '../resources/qos.ts'
import { amountOf } from '../pods/amounts.ts'

/** So much of each resource is missing. */
export type Needs = ReadonlyMap<string, number>

function requestOf(pod: Pod, resource: string): number {
  return resource === 'pods' ? 1 : amountOf(resource, podAmounts(pod, 'requests')[resource])
}

function isPreemptable(pod: Pod, by: Pod): boolean {
  if (isCritical(by) && !isCritical(pod)) return true
  const [own, other] = [pod.spec?.priority, by.spec?.priority]
  return own !== undefined && other !== undefined && other > own
}

/** What is still missing once these pods are gone. */
function without(needs: Needs, pods: readonly Pod[]): Needs {
  const left = [...needs].map(
    ([resource, amount]) => [resource, pods.reduce((sum, pod) => sum - requestOf(pod, resource), amount)] as const,
  )
  return new Map(left.filter(([, amount]) => amount > 0))
}

/** How far from enough the pod's own requests are: every resource weighs the same. */
function distance(needs: Needs, pod: Pod): number {
  let sum = 0
  for (const [resource, amount] of needs) sum += (Math.max(0, amount - requestOf(pod, resource)) / amount) ** 2
  return sum
}

/** Below zero: `a` asks for less. */
function compareRequests(a: Pod, b: Pod): number {
  return requestOf(a, 'memory') - requestOf(b, 'memory') || requestOf(a, 'cpu') - requestOf(b, 'cpu')
}

/** Each time the pod that brings it nearest to enough; of several the one that asks for least. */
function fewest(pods: readonly Pod[], needs: Needs): Pod[] {
  const chosen: Pod[] = []
  let [left, missing] = [pods, needs]
  while (missing.size > 0 && left.length > 0) {
    const now = missing
    const nearest = left.reduce((best, pod) => {
      const further = distance(now, pod) - distance(now, best)
      return further < 0 || (further === 0 && compareRequests(pod, best) <= 0) ? pod : best
    })
    chosen.push(nearest)
    left = left.filter((pod) => pod !== nearest)
    missing = without(missing, [nearest])
  }
  return chosen
}

/** The pods that are to end; a text where even all that may would not do. */
export function podsToPreempt(critical: Pod, others: readonly Pod[], needs: Needs): Pod[] | string {
  const candidates = others.filter((pod) => isPreemptable(pod, critical))
  const unmet = without(needs, candidates)
  if (unmet.size > 0) {
    const list = [...unmet].map(([resource, amount]) => `(res: ${resource}, q: ${amount}), `).join('')
    return `preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: [${list}]`
  }
  const of = (qos: QosClass): Pod[] => candidates.filter((pod) => podQosClass(pod) === qos)
  const [bestEffort, burstable] = [of('BestEffort'), of('Burstable')]
  const guaranteedToEnd = fewest(of('Guaranteed'), without(needs, [...bestEffort, ...burstable]))
  const burstableToEnd = fewest(burstable, without(needs, [...bestEffort, ...guaranteedToEnd]))
  const bestEffortToEnd = fewest(bestEffort, without(needs, [...burstableToEnd, ...guaranteedToEnd]))
  return [...bestEffortToEnd, ...burstableToEnd, ...guaranteedToEnd]
}
