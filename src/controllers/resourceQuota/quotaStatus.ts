/** What a quota's status says, and which changes may make it say something else. No I/O. */
import type { Pod, ResourceQuota } from '../../api/kinds/core/v1.ts'
import { hasFinished } from '../../api/pods.ts'
import { usedOf, type Usage } from '../../api/quotaUsage.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import { customNames, isMeasured } from './observedUsage.ts'

export function quotaStatus(quota: ResourceQuota, usage: Usage): NonNullable<ResourceQuota['status']> {
  const unserved = new Set(customNames(quota).filter((name) => !(name in usage)))
  const used = Object.entries(usedOf(quota, usage)).filter(([name]) => !unserved.has(name))
  return { hard: quota.spec?.hard ?? {}, used: Object.fromEntries(used) }
}

/** Whether a change of an object that stays shows in some usage: a pod's end or resize, a service's type, a claim's size. */
function mayChangeUsage(resource: Resource, before: KubeObject, after: KubeObject): boolean {
  if (resource.resource !== 'pods' || resource.group !== '') return isMeasured(resource)
  return hasFinished(before as Pod) !== hasFinished(after as Pod) || before.metadata.generation !== after.metadata.generation
}

/**
 * Admission charges what comes before it is stored. A count that such a charge, or the first of several that it let in, brought about
 * would miss the others, give their charges back and make room for too many: only what may free something is a reason to count.
 */
export function isReasonToCount(resource: Resource, before: KubeObject | undefined, after: KubeObject | undefined): boolean {
  return before !== undefined && (after === undefined || mayChangeUsage(resource, before, after))
}
