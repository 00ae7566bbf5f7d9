/** Quality of service: a pod's class, its cgroup, and how willing the kernel is to kill its containers. */
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import { compareQuantity, quantitySign } from '../../api/quantity.ts'
import { quantityValue } from '../pods/amounts.ts'
import { isCritical } from '../pods/critical.ts'

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

const COMPUTE = ['cpu', 'memory'] as const
const GUARANTEED_OOM_SCORE_ADJ = -997
const BEST_EFFORT_OOM_SCORE_ADJ = 1000

function isAsked(amounts: Record<string, string> | undefined, resource: string): boolean {
  return quantitySign(amounts?.[resource] ?? '0') > 0
}

export function podQosClass(pod: Pod): QosClass {
  const parts = pod.spec?.resources
    ? [{ resources: pod.spec.resources }]
    : [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]
  const asks = parts.some((c) => COMPUTE.some((r) => isAsked(c.resources?.requests, r) || isAsked(c.resources?.limits, r)))
  if (!asks) return 'BestEffort'
  const guaranteed = parts.every((c) =>
    COMPUTE.every((r) => {
      const limit = c.resources?.limits?.[r] ?? '0'
      return quantitySign(limit) > 0 && compareQuantity(c.resources?.requests?.[r] ?? limit, limit) === 0
    }),
  )
  return guaranteed ? 'Guaranteed' : 'Burstable'
}

export const CGROUP_OF_CLASS: Record<QosClass, string> = {
  Guaranteed: '/kubepods',
  Burstable: '/kubepods/burstable',
  BestEffort: '/kubepods/besteffort',
}

export function podCgroup(pod: Pod): string {
  return `${CGROUP_OF_CLASS[podQosClass(pod)]}/pod${pod.metadata.uid}`
}

const NODE_CRITICAL = 'system-node-critical'

const memoryRequest = ({ resources }: Container): number => quantityValue(resources?.requests?.memory ?? '0')

/** What the pod asks for as a whole beyond its containers, for each of them. */
function unassignedBytes({ spec }: Pod): number {
  const whole = spec?.resources?.requests?.memory
  if (!spec || whole === undefined) return 0
  const { containers, initContainers = [] } = spec
  let sidecars = 0
  let peak = 0
  for (const container of initContainers) {
    peak = Math.max(peak, sidecars + memoryRequest(container))
    if (container.restartPolicy === 'Always') sidecars += memoryRequest(container)
  }
  const asked = Math.max(peak, sidecars + containers.reduce((sum, container) => sum + memoryRequest(container), 0))
  return Math.max(0, Math.floor((quantityValue(whole) - asked) / (containers.length + initContainers.length)))
}

export function oomScoreAdj(pod: Pod, container: Container, nodeMemoryBytes: number): number {
  const qos = podQosClass(pod)
  if (qos === 'Guaranteed' || (isCritical(pod) && pod.spec?.priorityClassName === NODE_CRITICAL)) return GUARANTEED_OOM_SCORE_ADJ
  if (qos === 'BestEffort') return BEST_EFFORT_OOM_SCORE_ADJ
  const more = unassignedBytes(pod)
  const isSidecar = container.restartPolicy === 'Always' && pod.spec?.initContainers?.some(({ name }) => name === container.name)
  // A sidecar is not killed before the containers that it is there for.
  const least = isSidecar ? Math.min(...(pod.spec?.containers ?? []).map(memoryRequest)) : 0
  const request = Math.max(memoryRequest(container), least) + more
  const score = 1000 - Math.floor((1000 * request) / Math.max(1, nodeMemoryBytes))
  return Math.min(Math.max(score, 1000 + GUARANTEED_OOM_SCORE_ADJ), BEST_EFFORT_OOM_SCORE_ADJ - 1)
}
