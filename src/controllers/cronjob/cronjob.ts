/** The cronjob controller: starts a Job at each time of a schedule (upstream's pkg/controller/cronjob). */
import { cronjobs, jobs, type CronJob, type Job } from '../../api/kinds/batch/v1.ts'
import { timestamp } from '../../api/meta.ts'
import { keyOf } from '../../api/resource.ts'
import { isAlreadyExists, isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { semanticallyEqual } from '../hash.ts'
import { CACHE_LAG_RECHECK_MS, OwnWrites } from '../ownWrites.ts'
import { at, indexByOwner, ownedBy, ownerKey } from '../ownership.ts'
import { isNamespaceTerminating } from '../podControl.ts'
import { isDormant, jobOf, newsOfActive, planCronJob, referenceTo, type CronPlan } from './plan.ts'
import { parseSchedule, ScheduleError, type Schedule } from './schedule.ts'

/** Timers may fire a little early; the time must have passed when the schedule is asked. */
const AFTER_TIME_MS = 100
const TOO_MANY_MISSED = 100

export function cronJobController(context: ControllerContext): Controller {
  const { client, informers, events, clock } = context
  const cronInformer = informers.for(cronjobs)
  const jobInformer = informers.for(jobs)
  indexByOwner(jobInformer)
  const jobWrites = new OwnWrites()
  const cronWrites = new OwnWrites()

  function tell(cronJob: CronJob, type: 'Normal' | 'Warning', reason: string, message: string): void {
    events.record(cronJob, { type, reason, message })
  }

  function scheduleOf(cronJob: CronJob): Schedule | undefined {
    try {
      return parseSchedule(cronJob.spec.schedule, cronJob.spec.timeZone)
    } catch (error) {
      if (!(error instanceof ScheduleError)) throw error
      tell(cronJob, 'Warning', 'UnparseableSchedule', `unparseable schedule: ${JSON.stringify(cronJob.spec.schedule)} : ${error.message}`)
      return undefined
    }
  }

  async function remove(cronJob: CronJob, job: Job, key: string, signal: AbortSignal): Promise<void> {
    try {
      jobWrites.wrote(
        key,
        await client.delete(jobs, { ...at(job), signal }, { propagationPolicy: 'Background', preconditions: { uid: job.metadata.uid } }),
      )
      tell(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${job.metadata.name}`)
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  async function start(cronJob: CronJob, plan: CronPlan, key: string, signal: AbortSignal): Promise<CronPlan['status']> {
    if (plan.next.action !== 'start') return plan.status
    const { scheduledMs, replace } = plan.next
    for (const job of replace) await remove(cronJob, job, key, signal)
    const replaced = new Set(replace.map((job) => job.metadata.uid))
    const active = (plan.status.active ?? []).filter((reference) => !replaced.has(reference.uid ?? ''))
    const lastScheduleTime = timestamp(scheduledMs)
    try {
      const job = await client.create(jobs, jobOf(cronJob, scheduledMs), { signal })
      jobWrites.wrote(key, job)
      tell(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${job.metadata.name}`)
      return { ...plan.status, active: [...active, referenceTo(job)], lastScheduleTime }
    } catch (error) {
      if (isNamespaceTerminating(error)) return plan.status
      // Somebody else's: a Job of the CronJob's own is known before it is made again.
      if (isAlreadyExists(error)) return plan.status
      tell(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${error instanceof Error ? error.message : String(error)}`)
      throw error
    }
  }

  return {
    name: 'cronjob-controller',
    watches: [watch(cronjobs, (cronJob) => [keyOf(cronJob)]), watch(jobs, (job) => [ownerKey(job, cronjobs) ?? []].flat())],
    async reconcile(key, signal): Promise<Outcome> {
      const cronJob = cronInformer.get(key)
      if (!cronJob) return
      if (!jobWrites.seenBy(key, jobInformer) || !cronWrites.seenBy(key, cronInformer)) return { requeueAfterMs: CACHE_LAG_RECHECK_MS }
      const schedule = isDormant(cronJob) ? undefined : scheduleOf(cronJob)
      const owned = ownedBy(jobInformer, cronJob.metadata.uid)
      const plan = planCronJob(cronJob, schedule, owned, clock.now())
      for (const { type, reason, message } of newsOfActive(cronJob, owned)) tell(cronJob, type, reason, message)
      if (plan.next.action === 'never') {
        const message = `invalid schedule: ${cronJob.spec.schedule} : time difference between two schedules is less than 1 second`
        tell(cronJob, 'Warning', 'InvalidSchedule', message)
      }
      if (plan.missed > TOO_MANY_MISSED)
        tell(
          cronJob,
          'Warning',
          'TooManyMissedTimes',
          'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
        )
      if (plan.next.action === 'tooLate')
        tell(
          cronJob,
          'Warning',
          'MissSchedule',
          `Missed scheduled time to start a job: ${new Date(plan.next.scheduledMs).toUTCString().replace('GMT', '+0000')}`,
        )
      if (plan.next.action === 'forbidden')
        tell(cronJob, 'Normal', 'JobAlreadyActive', 'Not starting job because prior execution is running and concurrency policy is Forbid')
      const status = await start(cronJob, plan, key, signal)
      if (!semanticallyEqual(status, cronJob.status)) {
        cronWrites.wrote(key, await client.update(cronjobs, { ...cronJob, status }, { subresource: 'status', signal }))
      }
      // Only once their times are on record: they would run again else.
      for (const job of plan.expired) await remove(cronJob, job, key, signal)
      if (plan.recheckAfterMs !== undefined) return { requeueAfterMs: plan.recheckAfterMs + AFTER_TIME_MS }
    },
  }
}
