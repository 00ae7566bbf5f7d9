/** Which pods end together when the node stops. Pure; upstream's pkg/kubelet/nodeshutdown. */
import type { PriorityPeriod } from '../../api/componentOptionValues.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'

export interface ShutdownGroup {
  pods: Pod[]
  /** The next group's turn comes after this at the latest. */
  seconds: number
}

/** `periods`: the least important first. A pod goes with the highest priority that is not above its own, or with the lowest. */
export function shutdownGroups(periods: readonly PriorityPeriod[], pods: readonly Pod[]): ShutdownGroup[] {
  const groups = periods.map(({ priority, seconds }) => ({ priority, seconds, pods: [] as Pod[] }))
  for (const pod of pods) {
    const own = pod.spec?.priority ?? 0
    const group = groups.findLast(({ priority }) => priority <= own) ?? groups[0]
    group?.pods.push(pod)
  }
  return groups.filter((group) => group.pods.length > 0)
}

/** What a pod of the group is given. */
export function shutdownGraceSeconds({ spec }: Pod, { seconds }: Pick<ShutdownGroup, 'seconds'>): number {
  return Math.min(spec?.terminationGracePeriodSeconds ?? seconds, seconds)
}
