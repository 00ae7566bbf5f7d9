/** Whether a Job has ended, and how: by its pods' failures and successes, its deadline and its policies. No I/O. */
import type { Job } from '../../api/kinds/batch/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { isTracked, type Tally } from './finishedPods.ts'
import { judgeFailure, judgeSuccess } from './policies.ts'

export interface Outcome {
  type: 'Complete' | 'Failed'
  reason: string
  message: string
}

/** What the Job's end will be, once all its pods have ended. */
export function pendingOutcome(job: Job): Outcome | undefined {
  for (const { type, status, reason = '', message = '' } of job.status?.conditions ?? []) {
    if (status !== 'True') continue
    if (type === 'FailureTarget') return { type: 'Failed', reason, message }
    if (type === 'SuccessCriteriaMet') return { type: 'Complete', reason, message }
  }
  return undefined
}

/** What one pass knows of a Job. */
export interface Facts {
  job: Job
  pods: readonly Pod[]
  counted: Tally
  failedIndexes: Set<number>
  /** Failed pods whose indexes have no pod instead yet. */
  awaiting: ReadonlyMap<number, Pod>
  active: Pod[]
  nowMs: number
}

/** Why the Job ends, if it does. */
export function outcomeOf({ job, pods, counted, failedIndexes, active, nowMs }: Facts): Outcome | undefined {
  const pending = pendingOutcome(job)
  if (pending) return pending
  const { spec } = job
  for (const pod of pods.filter((candidate) => candidate.status?.phase === 'Failed' && isTracked(candidate))) {
    const verdict = judgeFailure(job, pod)
    if (verdict.action === 'FailJob') return { type: 'Failed', reason: 'PodFailurePolicy', message: verdict.message }
  }
  const perIndex = spec?.backoffLimitPerIndex !== undefined
  const restarts = spec?.template.spec?.restartPolicy === 'OnFailure' ? restartsOf(active) : 0
  const limit = spec?.backoffLimit ?? (perIndex ? 2 ** 31 - 1 : 6)
  if (counted.failed > limit || (restarts > 0 && restarts >= limit && limit > 0) || (limit === 0 && restarts > 0)) {
    return { type: 'Failed', reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' }
  }
  const startedMs = Date.parse(job.status?.startTime ?? '')
  if (spec?.activeDeadlineSeconds !== undefined && !spec.suspend && startedMs + spec.activeDeadlineSeconds * 1_000 <= nowMs) {
    return { type: 'Failed', reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' }
  }
  const early = judgeSuccess(job, counted.succeededIndexes)
  if (early) return { type: 'Complete', reason: 'SuccessPolicy', message: early }
  return completionOf(job, counted, failedIndexes, active)
}

function completionOf({ spec }: Job, counted: Tally, failedIndexes: ReadonlySet<number>, active: readonly Pod[]): Outcome | undefined {
  const reached: Outcome = { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
  if (spec?.maxFailedIndexes !== undefined && failedIndexes.size > spec.maxFailedIndexes) {
    return {
      type: 'Failed',
      reason: 'MaxFailedIndexesExceeded',
      message: 'Job has exceeded the specified maximal number of failed indexes',
    }
  }
  if (spec?.completions === undefined) return counted.succeeded > 0 && active.length === 0 ? reached : undefined
  if (failedIndexes.size > 0 && failedIndexes.size + counted.succeeded >= spec.completions) {
    return { type: 'Failed', reason: 'FailedIndexes', message: 'Job has failed indexes' }
  }
  return counted.succeeded >= spec.completions ? reached : undefined
}

function restartsOf(pods: readonly Pod[]): number {
  const all = pods.flatMap((pod) => [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])])
  return all.reduce((sum, status) => sum + status.restartCount, 0)
}
