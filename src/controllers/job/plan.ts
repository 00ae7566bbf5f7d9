/** One pass over a Job: which pods to create, delete and count, and what to report. No I/O. */
import type { Job, JobCondition, JobStatus } from '../../api/kinds/batch/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { findCondition, isConditionTrue, timestamp, withoutCondition } from '../../api/meta.ts'
import { hasFinished } from '../../api/pods.ts'
import { isReady, isTerminating } from '../podState.ts'
import { formatIndexes, indexOf, isIndexed, isTracked, tally, waitsForEnd, type Tally } from './finishedPods.ts'
import { backoffLeftMs, delayLeftMs, endOf, type PodEnd } from './backoff.ts'
import { outcomeOf, type Facts, type Outcome } from './outcome.ts'
import { awaitingReplacement, failedIndexesOf, failuresAfter, total, type IndexFailures } from './perIndex.ts'
import { judgeFailure } from './policies.ts'

/** At most so many pods are created or deleted in one pass. */
const BURST_PODS = 500

export interface JobInput {
  job: Job
  /** All that it owns. */
  pods: readonly Pod[]
  nowMs: number
  /** How its pods ended, from which the next one's delay follows. */
  ends: readonly PodEnd[]
}

export interface JobPlan {
  /** One for each pod; undefined where pods have no index. */
  create: { index: number | undefined; failures: IndexFailures }[]
  remove: Pod[]
  /** Pods that are deleted because there are too many, not because they failed: they are never counted. */
  discard: Pod[]
  /** Pods whose tracking finalizer goes, after `status` is written. */
  untrack: Pod[]
  /** To be written before the finalizers go: it names the pods being counted. */
  status: JobStatus
  event?: { type: 'Normal' | 'Warning'; reason: string; message: string }
  recheckAfterMs?: number
}

export function isFinished(job: Job): boolean {
  return isConditionTrue(job.status?.conditions, 'Complete') || isConditionTrue(job.status?.conditions, 'Failed')
}

/** The first indexes without a pod, in order; where each index has failures of its own, each waits for itself, and has its turn meanwhile. */
function missingIndexes(facts: Facts, count: number): Pick<JobPlan, 'create' | 'recheckAfterMs'> {
  const { job, pods, counted, failedIndexes, awaiting, active, nowMs } = facts
  const taken = new Set(active.map(indexOf))
  if (waitsForEnd(job)) for (const pod of pods) if (isTerminating(pod)) taken.add(indexOf(pod))
  const create: JobPlan['create'] = []
  let soonestMs = Infinity
  let pending = 0
  for (let index = 0; index < (job.spec?.completions ?? 0) && pending < count; index++) {
    if (taken.has(index) || counted.succeededIndexes.has(index) || failedIndexes.has(index)) continue
    pending++
    const replaced = awaiting.get(index)
    const failures = failuresAfter(job, replaced)
    const waitMs = replaced ? delayLeftMs(total(failures), endOf(replaced), nowMs) : 0
    if (waitMs > 0) soonestMs = Math.min(soonestMs, waitMs)
    else create.push({ index, failures })
  }
  return { create, ...(soonestMs < Infinity && { recheckAfterMs: soonestMs }) }
}

/** Which pods to do without: of one index all but one, then the highest indexes; without indexes those that have done the least. */
function spareFirst(job: Job, active: readonly Pod[]): Pod[] {
  const byWorth = active.toSorted(
    (a, b) =>
      Number(isReady(a)) - Number(isReady(b)) || Date.parse(b.metadata.creationTimestamp) - Date.parse(a.metadata.creationTimestamp),
  )
  if (!isIndexed(job)) return byWorth
  const { completions = 0 } = job.spec ?? {}
  const kept = new Map<number, Pod>()
  const surplus: Pod[] = []
  for (const pod of byWorth.toReversed()) {
    const index = indexOf(pod)
    if (index === undefined || index >= completions || kept.has(index)) surplus.push(pod)
    else kept.set(index, pod)
  }
  return [...surplus, ...[...kept].sort(([a], [b]) => b - a).map(([, pod]) => pod)]
}

/** The pods to create or delete for the parallelism that is wanted. */
function resize(facts: Facts, ends: readonly PodEnd[]): Pick<JobPlan, 'create' | 'discard' | 'recheckAfterMs'> {
  const { job, pods, counted, active, nowMs } = facts
  const { parallelism = 1, completions } = job.spec ?? {}
  const leaving = waitsForEnd(job) ? pods.filter(isTerminating).length : 0
  let wanted: number
  if (completions === undefined) wanted = counted.succeeded > 0 ? active.length : parallelism
  else wanted = Math.min(parallelism, completions - counted.succeeded - facts.failedIndexes.size)
  if (active.length > wanted) {
    const count = Math.min(BURST_PODS, active.length - Math.max(0, wanted))
    return { create: [], discard: spareFirst(job, active).slice(0, count) }
  }
  const count = Math.min(BURST_PODS, wanted - active.length - leaving)
  if (count <= 0) return { create: [], discard: [] }
  const waitMs = job.spec?.backoffLimitPerIndex === undefined ? backoffLeftMs(ends, nowMs) : 0
  if (waitMs > 0) return { create: [], discard: [], recheckAfterMs: waitMs }
  if (isIndexed(job)) return { ...missingIndexes(facts, count), discard: [] }
  return { create: Array.from({ length: count }, () => ({ index: undefined, failures: failuresAfter(job, undefined) })), discard: [] }
}

function put(
  conditions: readonly JobCondition[],
  type: string,
  status: string,
  reason: string,
  message: string,
  nowMs: number,
): JobCondition[] {
  if (findCondition(conditions, type)?.status === status) return [...conditions]
  const at = timestamp(nowMs)
  return [...withoutCondition(conditions, type), { type, status, lastProbeTime: at, lastTransitionTime: at, reason, message }]
}

function suspension(
  job: Job,
  conditions: readonly JobCondition[],
  nowMs: number,
): { conditions: JobCondition[]; event?: JobPlan['event'] } {
  const suspended = findCondition(conditions, 'Suspended')?.status === 'True'
  if (job.spec?.suspend && !suspended) {
    return {
      conditions: put(conditions, 'Suspended', 'True', 'JobSuspended', 'Job suspended', nowMs),
      event: { type: 'Normal', reason: 'Suspended', message: 'Job suspended' },
    }
  }
  if (!job.spec?.suspend && suspended) {
    return {
      conditions: put(conditions, 'Suspended', 'False', 'JobResumed', 'Job resumed', nowMs),
      event: { type: 'Normal', reason: 'Resumed', message: 'Job resumed' },
    }
  }
  return { conditions: [...conditions] }
}

/** Counts that were announced and whose pods have lost their finalizer become part of the totals. */
function settle(
  job: Job,
  pods: readonly Pod[],
  counted: Tally,
  isHeld: (pod: Pod) => boolean,
): Pick<JobStatus, 'succeeded' | 'failed' | 'uncountedTerminatedPods'> {
  const tracked = new Set(pods.filter(isTracked).map((pod) => pod.metadata.uid))
  const { succeeded: announcedGood = [], failed: announcedBad = [] } = job.status?.uncountedTerminatedPods ?? {}
  const stillGood = announcedGood.filter((uid) => tracked.has(uid))
  const stillBad = announcedBad.filter((uid) => tracked.has(uid))
  const ignored = (pod: Pod): boolean => judgeFailure(job, pod).action === 'Ignore'
  const newGood = isIndexed(job) ? [] : counted.newlySucceeded.map((pod) => pod.metadata.uid)
  const newBad = counted.newlyFailed.filter((pod) => !ignored(pod) && !isHeld(pod)).map((pod) => pod.metadata.uid)
  const good = [...stillGood, ...newGood]
  const bad = [...stillBad, ...newBad]
  const succeeded = isIndexed(job) ? counted.succeededIndexes.size : (job.status?.succeeded ?? 0) + announcedGood.length - stillGood.length
  const failed = (job.status?.failed ?? 0) + announcedBad.length - stillBad.length
  return {
    ...(succeeded > 0 && { succeeded }),
    ...(failed > 0 && { failed }),
    uncountedTerminatedPods: { ...(good.length > 0 && { succeeded: good }), ...(bad.length > 0 && { failed: bad }) },
  }
}

export function planJob({ job, pods, nowMs, ends }: JobInput): JobPlan {
  if (isFinished(job) || job.metadata.deletionTimestamp !== undefined) {
    return { create: [], remove: [], discard: [], untrack: pods.filter(isTracked), status: job.status ?? {} }
  }
  const counted = tally(job, pods, (pod) => judgeFailure(job, pod).action === 'Ignore')
  const active = pods.filter((pod) => !hasFinished(pod) && pod.metadata.deletionTimestamp === undefined)
  const failedIndexes = failedIndexesOf(job, pods, counted)
  const isSettled = (index: number): boolean => counted.succeededIndexes.has(index) || failedIndexes.has(index)
  const awaiting = awaitingReplacement({ job, pods, active, isSettled })
  const facts: Facts = { job, pods, counted, failedIndexes, awaiting, active, nowMs }
  const outcome = outcomeOf(facts)
  const suspended = job.spec?.suspend === true
  const sized = outcome ? { create: [], discard: [] } : suspended ? { create: [], discard: active } : resize(facts, ends)
  const remove = outcome ? active : []
  const leaving = new Set([...remove, ...sized.discard])
  // A Job that has reached its end is not suspended any more.
  const known = job.status?.conditions ?? []
  const { conditions, event }: ReturnType<typeof suspension> = outcome ? { conditions: [...known] } : suspension(job, known, nowMs)
  const held = outcome ? new Set<Pod>() : new Set(awaiting.values())
  const isDone = (pod: Pod): boolean =>
    hasFinished(pod) || counted.newlyFailed.includes(pod) || (outcome?.type === 'Complete' && isTerminating(pod))
  const untrack = pods.filter((pod) => isTracked(pod) && isDone(pod) && !held.has(pod))
  const remaining = active.filter((pod) => !leaving.has(pod))
  const status = {
    ...reported(facts, remaining, leaving.size, outcome !== undefined),
    ...settle(job, pods, counted, (pod) => held.has(pod)),
    ...(conditions.length > 0 && { conditions }),
  }
  const plan: JobPlan = { ...sized, remove, untrack, status, ...(event && { event }) }
  if (!outcome) return { ...plan, ...deadline(job, status, plan.recheckAfterMs, nowMs) }
  return finish(plan, outcome, { job, pods, remaining: remaining.length, nowMs })
}

function reported(
  { job, pods, counted, failedIndexes, nowMs }: Facts,
  remaining: readonly Pod[],
  removing: number,
  isEnding: boolean,
): JobStatus {
  // A suspended Job starts its deadline anew when it goes on; one that has ended must have started.
  const startTime = job.spec?.suspend && !isEnding ? undefined : (job.status?.startTime ?? timestamp(nowMs))
  const completed = formatIndexes(counted.succeededIndexes)
  const failed = formatIndexes(failedIndexes)
  return {
    ...(startTime && { startTime }),
    ...(remaining.length > 0 && { active: remaining.length }),
    ready: remaining.filter(isReady).length,
    terminating: pods.filter(isTerminating).length + removing,
    ...(completed && { completedIndexes: completed }),
    ...(job.spec?.backoffLimitPerIndex !== undefined && { failedIndexes: failed }),
  }
}

function deadline(job: Job, status: JobStatus, recheckAfterMs: number | undefined, nowMs: number): { recheckAfterMs?: number } {
  const { activeDeadlineSeconds } = job.spec ?? {}
  const startedMs = Date.parse(status.startTime ?? '')
  const leftMs =
    activeDeadlineSeconds === undefined || !Number.isFinite(startedMs) ? Infinity : startedMs + activeDeadlineSeconds * 1_000 - nowMs
  const next = Math.min(recheckAfterMs ?? Infinity, leftMs)
  return Number.isFinite(next) ? { recheckAfterMs: Math.max(1, next) } : {}
}

/** First the verdict is told; the Job has ended when all its pods have, and are counted. */
function finish(
  plan: JobPlan,
  outcome: Outcome,
  { job, pods, remaining, nowMs }: { job: Job; pods: readonly Pod[]; remaining: number; nowMs: number },
): JobPlan {
  const { type, reason, message } = outcome
  const interim = type === 'Failed' ? 'FailureTarget' : 'SuccessCriteriaMet'
  let conditions = put(plan.status.conditions ?? [], interim, 'True', reason, message, nowMs)
  const uncounted = plan.status.uncountedTerminatedPods ?? {}
  const open =
    remaining > 0 ||
    plan.remove.length > 0 ||
    pods.some(isTerminating) ||
    (uncounted.succeeded ?? []).length > 0 ||
    (uncounted.failed ?? []).length > 0
  if (open || plan.untrack.length > 0) return { ...plan, status: { ...plan.status, conditions } }
  conditions = put(conditions, type, 'True', reason, message, nowMs)
  const event =
    type === 'Failed'
      ? ({ type: 'Warning', reason, message } as const)
      : ({ type: 'Normal', reason: 'Completed', message: 'Job completed' } as const)
  const suspended = job.spec?.suspend ? {} : { event }
  return { ...plan, ...suspended, status: { ...plan.status, conditions, ...(type === 'Complete' && { completionTime: timestamp(nowMs) }) } }
}
