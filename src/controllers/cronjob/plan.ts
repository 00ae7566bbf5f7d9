/** What a CronJob does now: which of its times is due, what stands in the way, and what of its history goes. No I/O. */
import { cronjobs, type CronJob, type CronJobStatus, type Job } from '../../api/kinds/batch/v1.ts'
import type { ObjectReference } from '../../api/kinds/core/v1.ts'
import { isConditionTrue, newControllerRef, timestamp } from '../../api/meta.ts'
import type { Draft } from '../../api/resource.ts'
import { isFinished } from '../job/plan.ts'
import type { Schedule } from './schedule.ts'

const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp'
/** Past so many missed times they are not counted any further. */
const MISSED_LIMIT = 100

export interface DueTime {
  /** The last time that has passed and was not served. */
  dueMs: number | undefined
  missed: number
  /** Undefined for a schedule that no day ever meets. */
  nextMs: number | undefined
}

export function dueTime(cronJob: CronJob, schedule: Schedule, nowMs: number): DueTime {
  const { status, metadata, spec } = cronJob
  let earliestMs = Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp)
  if (spec.startingDeadlineSeconds !== undefined) earliestMs = Math.max(earliestMs, nowMs - spec.startingDeadlineSeconds * 1_000)
  let dueMs: number | undefined
  let missed = 0
  let nextMs = schedule.next(earliestMs)
  while (nextMs !== undefined && nextMs <= nowMs) {
    dueMs = nextMs
    missed++
    // Long after the last run only the newest time counts: jump near it instead of walking there.
    if (missed === MISSED_LIMIT) {
      const stepMs = (nextMs - earliestMs) / missed
      nextMs = schedule.next(Math.max(nextMs, nowMs - 2 * stepMs)) ?? undefined
      continue
    }
    nextMs = schedule.next(nextMs)
  }
  return { dueMs, missed, nextMs }
}

/** The same for the same time, so that no time is served twice. */
export function jobName(cronJob: CronJob, scheduledMs: number): string {
  return `${cronJob.metadata.name}-${Math.floor(scheduledMs / 60_000)}`
}

export function jobOf(cronJob: CronJob, scheduledMs: number): Draft<Job> {
  const { jobTemplate, timeZone } = cronJob.spec
  const { labels, annotations } = jobTemplate.metadata ?? {}
  const zoned = timeZone ? new Date(scheduledMs).toLocaleString('sv-SE', { timeZone }).replace(' ', 'T') : undefined
  const at = zoned ? zoned + offsetOf(scheduledMs, timeZone as string) : timestamp(scheduledMs)
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobName(cronJob, scheduledMs),
      namespace: cronJob.metadata.namespace,
      ...(labels && { labels }),
      annotations: { ...annotations, [SCHEDULED_AT]: at },
      ownerReferences: [newControllerRef(cronJob, cronjobs)],
    },
    spec: jobTemplate.spec ?? { template: {} },
  }
}

function offsetOf(atMs: number, timeZone: string): string {
  const name =
    new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }).formatToParts(atMs).find((part) => part.type === 'timeZoneName')
      ?.value ?? ''
  return name === 'GMT' ? 'Z' : name.replace('GMT', '')
}

export type CronAction =
  | { action: 'none' | 'never' }
  | { action: 'tooLate' | 'forbidden'; scheduledMs: number }
  | { action: 'start'; scheduledMs: number; replace: Job[] }

export interface CronPlan {
  next: CronAction
  /** Finished Jobs beyond the history limits. */
  expired: Job[]
  /** Without what `next` adds. */
  status: CronJobStatus
  /** What there is to tell. */
  events: News[]
  recheckAfterMs?: number
}

export function succeeded(job: Job): boolean {
  return isConditionTrue(job.status?.conditions, 'Complete')
}

const byAge = (a: Job, b: Job): number =>
  Date.parse(a.status?.startTime ?? a.metadata.creationTimestamp) - Date.parse(b.status?.startTime ?? b.metadata.creationTimestamp)

function expiredJobs({ spec }: CronJob, owned: readonly Job[]): Job[] {
  const beyond = (jobs: readonly Job[], limit: number): Job[] => jobs.toSorted(byAge).slice(0, Math.max(0, jobs.length - limit))
  const finished = owned.filter(isFinished)
  return [
    ...beyond(finished.filter(succeeded), spec.successfulJobsHistoryLimit ?? 3),
    ...beyond(
      finished.filter((job) => !succeeded(job)),
      spec.failedJobsHistoryLimit ?? 1,
    ),
  ]
}

export function referenceTo({ metadata: { name, namespace, uid, resourceVersion } }: Job): ObjectReference {
  return { apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid, resourceVersion }
}

function statusOf(cronJob: CronJob, active: readonly Job[], owned: readonly Job[]): CronJobStatus {
  // A reference stays as it was first written: the Job's later revisions are no news of the CronJob.
  const kept = (cronJob.status?.active ?? []).filter(({ uid }) => active.some(({ metadata }) => metadata.uid === uid))
  const ends = owned.filter(succeeded).map((job) => job.status?.completionTime ?? '')
  const last = [cronJob.status?.lastSuccessfulTime ?? '', ...ends].sort().at(-1)
  // A Job whose creation was not answered is there all the same: its time must be on record before history drops it.
  const times = [cronJob.status?.lastScheduleTime, ...owned.map((job) => job.metadata.annotations?.[SCHEDULED_AT])]
  const lastMs = Math.max(...times.map((time) => Date.parse(time ?? '') || 0))
  const lastScheduleTime = lastMs > 0 ? timestamp(lastMs) : undefined
  return {
    ...(kept.length > 0 && { active: kept }),
    ...(lastScheduleTime && { lastScheduleTime }),
    ...(last && { lastSuccessfulTime: last }),
  }
}

export interface News {
  type: 'Normal' | 'Warning'
  reason: string
  message: string
}

/** What became of the Jobs that the status names as active, and which others run. */
function newsOfActive(cronJob: CronJob, owned: readonly Job[]): News[] {
  const active = cronJob.status?.active ?? []
  const ofOwned = owned.flatMap((job): News[] => {
    const { name, uid } = job.metadata
    const isKnown = active.some((reference) => reference.uid === uid)
    if (isFinished(job)) {
      const message = `Saw completed job: ${name}, condition: ${succeeded(job) ? 'Complete' : 'Failed'}`
      return isKnown ? [{ type: 'Normal', reason: 'SawCompletedJob', message }] : []
    }
    const message = `Saw a job that the controller did not create or forgot: ${name}`
    return isKnown ? [] : [{ type: 'Warning', reason: 'UnexpectedJob', message }]
  })
  const missing = active
    .filter(({ uid }) => !owned.some(({ metadata }) => metadata.uid === uid))
    .map(({ name = '' }): News => ({ type: 'Normal', reason: 'MissingJob', message: `Active job went missing: ${name}` }))
  return [...ofOwned, ...missing]
}

/** Then nothing starts, whatever the schedule says. */
export const isDormant = ({ metadata, spec }: CronJob): boolean => metadata.deletionTimestamp !== undefined || spec.suspend === true

/** What there is to tell of the times of its schedule. */
function newsOfTimes({ spec }: CronJob, next: CronAction, missed: number): News[] {
  const news: News[] = []
  if (next.action === 'never') {
    const message = `invalid schedule: ${spec.schedule} : time difference between two schedules is less than 1 second`
    news.push({ type: 'Warning', reason: 'InvalidSchedule', message })
  }
  if (missed > MISSED_LIMIT) {
    const message = 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew'
    news.push({ type: 'Warning', reason: 'TooManyMissedTimes', message })
  }
  if (next.action === 'tooLate') {
    const time = new Date(next.scheduledMs).toUTCString().replace('GMT', '+0000')
    news.push({ type: 'Warning', reason: 'MissSchedule', message: `Missed scheduled time to start a job: ${time}` })
  }
  if (next.action === 'forbidden') {
    const message = 'Not starting job because prior execution is running and concurrency policy is Forbid'
    news.push({ type: 'Normal', reason: 'JobAlreadyActive', message })
  }
  return news
}

export interface CronInput {
  cronJob: CronJob
  /** Without one only what has happened so far counts. */
  schedule: Schedule | undefined
  /** All that it owns. */
  jobs: readonly Job[]
  nowMs: number
}

/** What a time that is due comes to. */
function actionAt({ cronJob: { spec }, nowMs }: CronInput, dueMs: number, active: readonly Job[]): CronAction {
  if (spec.startingDeadlineSeconds !== undefined && dueMs + spec.startingDeadlineSeconds * 1_000 < nowMs)
    return { action: 'tooLate', scheduledMs: dueMs }
  if (spec.concurrencyPolicy === 'Forbid' && active.length > 0) return { action: 'forbidden', scheduledMs: dueMs }
  return { action: 'start', scheduledMs: dueMs, replace: spec.concurrencyPolicy === 'Replace' ? [...active] : [] }
}

export function planCronJob(input: CronInput): CronPlan {
  const { cronJob, schedule, jobs, nowMs } = input
  const known = new Set(cronJob.status?.active?.map(({ uid }) => uid))
  // A Job that somebody else made in the CronJob's name neither stands in the way nor is replaced.
  const active = jobs.filter((job) => !isFinished(job) && known.has(job.metadata.uid))
  const status = statusOf(cronJob, active, jobs)
  const plan: CronPlan = { next: { action: 'none' }, expired: expiredJobs(cronJob, jobs), status, events: newsOfActive(cronJob, jobs) }
  if (!schedule || isDormant(cronJob)) return plan
  const { dueMs, missed, nextMs } = dueTime(cronJob, schedule, nowMs)
  if (nextMs !== undefined) plan.recheckAfterMs = nextMs - nowMs
  const served = dueMs === undefined ? undefined : jobs.find((job) => job.metadata.name === jobName(cronJob, dueMs))
  if (dueMs === undefined) plan.next = { action: nextMs === undefined ? 'never' : 'none' }
  else if (!served) plan.next = actionAt(input, dueMs, active)
  else {
    // The Job was made, the status was not written: without the time on record a Job that history drops would run again.
    status.lastScheduleTime = timestamp(dueMs)
    if (!isFinished(served) && !active.includes(served)) status.active = [...(status.active ?? []), referenceTo(served)]
  }
  plan.events.push(...newsOfTimes(cronJob, plan.next, missed))
  return plan
}
