/**
 * Indexes that fail on their own (`backoffLimitPerIndex`): a failed pod tells how often its index has failed, and keeps its tracking
 * finalizer, uncounted, until the pod that takes its place has been told. No I/O.
 */
import type { Job } from '../../api/kinds/batch/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { endOf } from './backoff.ts'
import { countsAsFailed, IGNORED_INDEX_FAILURES, INDEX_FAILURES, indexOf, isTracked, parseIndexes, type Tally } from './finishedPods.ts'
import { pendingOutcome } from './outcome.ts'
import { judgeFailure } from './policies.ts'

/** How often an index has failed before a pod: failures that count, and those that a policy ignores. */
export interface IndexFailures {
  counted: number
  ignored: number
}

const NO_FAILURES: IndexFailures = { counted: 0, ignored: 0 }

function countOf(pod: Pod, annotation: string): number {
  const text = pod.metadata.annotations?.[annotation] ?? ''
  return /^\d+$/.test(text) ? Number(text) : 0
}

const failuresBefore = (pod: Pod): IndexFailures => ({
  counted: countOf(pod, INDEX_FAILURES),
  ignored: countOf(pod, IGNORED_INDEX_FAILURES),
})

export function total({ counted, ignored }: IndexFailures): number {
  return counted + ignored
}

/** What the pod that takes this one's place is told. */
export function failuresAfter(job: Job, replaced: Pod | undefined): IndexFailures {
  if (!replaced) return NO_FAILURES
  const { counted, ignored } = failuresBefore(replaced)
  return judgeFailure(job, replaced).action === 'Ignore' ? { counted, ignored: ignored + 1 } : { counted: counted + 1, ignored }
}

export function failedIndexesOf(job: Job, pods: readonly Pod[], { succeededIndexes }: Tally): Set<number> {
  const { completions = 0, backoffLimitPerIndex } = job.spec ?? {}
  const failed = parseIndexes(job.status?.failedIndexes, completions)
  // What is sent away at the Job's end has not failed its index.
  if (backoffLimitPerIndex === undefined || pendingOutcome(job)) return failed
  for (const pod of pods) {
    const index = indexOf(pod)
    if (index === undefined || index >= completions || succeededIndexes.has(index) || !isTracked(pod) || !countsAsFailed(job, pod)) continue
    const { action } = judgeFailure(job, pod)
    if (action === 'FailIndex' || (action !== 'Ignore' && failuresBefore(pod).counted >= backoffLimitPerIndex)) failed.add(index)
  }
  return failed
}

export interface IndexesToReplace {
  job: Job
  pods: readonly Pod[]
  active: readonly Pod[]
  /** Indexes that need no pod any more. */
  isSettled: (index: number) => boolean
}

/** The last failed pod of each index that is without one. */
export function awaitingReplacement({ job, pods, active, isSettled }: IndexesToReplace): Map<number, Pod> {
  const awaiting = new Map<number, Pod>()
  const { completions = 0, backoffLimitPerIndex } = job.spec ?? {}
  if (backoffLimitPerIndex === undefined) return awaiting
  const taken = new Set(active.map(indexOf))
  for (const pod of pods) {
    const index = indexOf(pod)
    if (index === undefined || index >= completions || taken.has(index) || isSettled(index)) continue
    if (!isTracked(pod) || !countsAsFailed(job, pod)) continue
    const known = awaiting.get(index)
    const isLater = !known || (total(failuresBefore(pod)) >= total(failuresBefore(known)) && endOf(pod) >= endOf(known))
    if (isLater) awaiting.set(index, pod)
  }
  return awaiting
}
