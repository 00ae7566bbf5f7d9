/** Pod failure policies and success policies of Jobs. No I/O. */
import type { Job, PodFailurePolicyRule } from '../../api/kinds/batch/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { parseIndexes } from './finishedPods.ts'

export interface PolicyVerdict {
  action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count'
  message: string
}

function exitCodeMessage(rule: PodFailurePolicyRule, at: number, pod: Pod): string | undefined {
  const { containerName, operator, values } = rule.onExitCodes ?? { operator: '', values: [] }
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
  for (const { name, state } of statuses) {
    const code = state?.terminated?.exitCode
    if (code === undefined || code === 0 || (containerName && containerName !== name)) continue
    if ((operator === 'In') !== values.includes(code)) continue
    const { namespace, name: podName } = pod.metadata
    return `Container ${name} for pod ${namespace}/${podName} failed with exit code ${code} matching ${rule.action} rule at index ${at}`
  }
  return undefined
}

function conditionMessage(rule: PodFailurePolicyRule, at: number, pod: Pod): string | undefined {
  for (const { type, status = 'True' } of rule.onPodConditions ?? []) {
    const found = pod.status?.conditions?.some((condition) => condition.type === type && condition.status === status)
    const { namespace, name } = pod.metadata
    if (found) return `Pod ${namespace}/${name} has condition ${type} matching ${rule.action} rule at index ${at}`
  }
  return undefined
}

/** The first rule that matches a failed pod decides. */
export function judgeFailure(job: Job, pod: Pod): PolicyVerdict {
  for (const [at, rule] of (job.spec?.podFailurePolicy?.rules ?? []).entries()) {
    const message = rule.onExitCodes ? exitCodeMessage(rule, at, pod) : conditionMessage(rule, at, pod)
    if (message === undefined) continue
    const action = rule.action === 'FailJob' || rule.action === 'FailIndex' || rule.action === 'Ignore' ? rule.action : 'Count'
    return { action, message }
  }
  return { action: 'Count', message: '' }
}

/** Why the Job has succeeded early, if its success policy says so. */
export function judgeSuccess(job: Job, succeeded: ReadonlySet<number>): string | undefined {
  for (const [at, { succeededIndexes, succeededCount }] of (job.spec?.successPolicy?.rules ?? []).entries()) {
    const named = succeededIndexes === undefined ? undefined : parseIndexes(succeededIndexes, job.spec?.completions ?? 0)
    const reached = named ? [...named].filter((index) => succeeded.has(index)).length : succeeded.size
    const needed = succeededCount ?? named?.size ?? Infinity
    if (reached >= needed) return `Matched rules at index ${at}`
  }
  return undefined
}
