/** Which finished pods of a Job count, exactly once each: a pod is counted before its tracking finalizer is taken away. No I/O. */
import type { Job } from '../../api/kinds/batch/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { isConditionTrue } from '../../api/meta.ts'
import { hasFinished } from '../../api/pods.ts'

export const TRACKING_FINALIZER = 'batch.kubernetes.io/job-tracking'
export const COMPLETION_INDEX = 'batch.kubernetes.io/job-completion-index'
export const INDEX_FAILURES = 'batch.kubernetes.io/job-index-failure-count'
export const IGNORED_INDEX_FAILURES = 'batch.kubernetes.io/job-index-ignored-failure-count'

export function isTracked(pod: Pod): boolean {
  return (pod.metadata.finalizers ?? []).includes(TRACKING_FINALIZER)
}

export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[COMPLETION_INDEX]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

export function isIndexed(job: Job): boolean {
  return job.spec?.completionMode === 'Indexed'
}

/** `1,3-5` as the API writes sets of indexes. */
export function formatIndexes(indexes: ReadonlySet<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b)
  const parts: string[] = []
  for (let at = 0; at < sorted.length;) {
    let end = at
    while (sorted[end + 1] === (sorted[end] as number) + 1) end++
    // Two neighbours are written one by one, as upstream does it.
    if (end === at) parts.push(`${sorted[at]}`)
    else if (end === at + 1) parts.push(`${sorted[at]}`, `${sorted[end]}`)
    else parts.push(`${sorted[at]}-${sorted[end]}`)
    at = end + 1
  }
  return parts.join(',')
}

export function parseIndexes(text: string | undefined, completions: number): Set<number> {
  const indexes = new Set<number>()
  for (const part of (text ?? '').split(',').filter(Boolean)) {
    const [first = 0, last = first] = part.split('-').map(Number)
    for (let index = first; index <= Math.min(last, completions - 1); index++) indexes.add(index)
  }
  return indexes
}

/** A pod that leaves without having finished counts as failed, unless its replacement waits for its end, or the Job has what it needs. */
export function countsAsFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true
  if (isConditionTrue(job.status?.conditions, 'SuccessCriteriaMet')) return false
  return pod.metadata.deletionTimestamp !== undefined && !hasFinished(pod) && !waitsForEnd(job)
}

export function waitsForEnd(job: Job): boolean {
  return job.spec?.podReplacementPolicy === 'Failed' || job.spec?.podFailurePolicy !== undefined
}

export interface Tally {
  succeeded: number
  failed: number
  /** Pods counted now, whose finalizer can go. */
  newlySucceeded: Pod[]
  newlyFailed: Pod[]
  succeededIndexes: Set<number>
}

/** What is in the status already, plus the pods that finished since. `ignored` are failures that a policy does not count. */
export function tally(job: Job, pods: readonly Pod[], ignored: (pod: Pod) => boolean): Tally {
  const { status = {}, spec } = job
  const completions = spec?.completions ?? 0
  const uncounted = {
    succeeded: new Set(status.uncountedTerminatedPods?.succeeded),
    failed: new Set(status.uncountedTerminatedPods?.failed),
  }
  const succeededIndexes = isIndexed(job) ? parseIndexes(status.completedIndexes, completions) : new Set<number>()
  const result: Tally = {
    succeeded: (status.succeeded ?? 0) + uncounted.succeeded.size,
    failed: (status.failed ?? 0) + uncounted.failed.size,
    newlySucceeded: [],
    newlyFailed: [],
    succeededIndexes,
  }
  for (const pod of pods) {
    const { uid } = pod.metadata
    if (!isTracked(pod) || uncounted.succeeded.has(uid) || uncounted.failed.has(uid)) continue
    if (pod.status?.phase === 'Succeeded') {
      const index = indexOf(pod)
      if (isIndexed(job)) {
        const counts = index !== undefined && index < completions && !succeededIndexes.has(index)
        if (counts) succeededIndexes.add(index)
      }
      result.newlySucceeded.push(pod)
    } else if (countsAsFailed(job, pod)) {
      result.newlyFailed.push(pod)
      if (!ignored(pod)) result.failed++
    }
  }
  result.succeeded = isIndexed(job) ? succeededIndexes.size : result.succeeded + result.newlySucceeded.length
  return result
}
