/** The cronjob controller: starts a Job at each time of a schedule (upstream's pkg/controller/cronjob). */
import type { Clock } from '../../base/clock.ts'
import { cronjobs, jobs, type CronJob, type Job } from '../../api/kinds/batch/v1.ts'
import { timestamp } from '../../api/meta.ts'
import { isAlreadyExists, isNotFound } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Controller, ControllerContext, Outcome } from '../../reconcile/controller.ts'
import { Dependents } from '../dependents.ts'
import { at } from '../ownership.ts'
import { isNamespaceTerminating } from '../podControl.ts'
import { workloadController, type Pass, type Workload } from '../workload.ts'
import { isDormant, jobOf, planCronJob, referenceTo, type CronInput, type CronPlan } from './plan.ts'
import { parseSchedule, ScheduleError, type Schedule } from './schedule.ts'

/** Timers may fire a little early; the time must have passed when the schedule is asked. */
const AFTER_TIME_MS = 100

class CronJobs implements Workload<CronJob, CronInput, CronPlan> {
  readonly name = 'cronjob-controller'
  readonly resource = cronjobs
  readonly watches
  readonly writesTo
  readonly plan = planCronJob
  readonly #client: Client
  readonly #events: EventRecorder
  readonly #clock: Clock
  readonly #jobs: Dependents<CronJob, Job>

  constructor(context: ControllerContext) {
    this.#client = context.client
    this.#events = context.events
    this.#clock = context.clock
    this.#jobs = new Dependents(context, { owner: cronjobs, resource: jobs })
    this.watches = [this.#jobs.watch]
    this.writesTo = [this.#jobs]
  }

  async takeStock({ object: cronJob }: Pass<CronJob>): Promise<CronInput> {
    const schedule = isDormant(cronJob) ? undefined : this.#scheduleOf(cronJob)
    return { cronJob, schedule, jobs: this.#jobs.ownedBy(cronJob), nowMs: this.#clock.now() }
  }

  async apply(pass: Pass<CronJob>, plan: CronPlan): Promise<Outcome> {
    for (const event of plan.events) this.#events.record(pass.object, event)
    const status = await this.#start(pass, plan)
    await pass.report({ ...pass.object, status })
    // Only once their times are on record: they would run again else.
    for (const job of plan.expired) await this.#remove(pass, job)
    if (plan.recheckAfterMs !== undefined) return { requeueAfterMs: plan.recheckAfterMs + AFTER_TIME_MS }
  }

  #tell(cronJob: CronJob, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#events.record(cronJob, { type, reason, message })
  }

  #scheduleOf(cronJob: CronJob): Schedule | undefined {
    try {
      return parseSchedule(cronJob.spec.schedule, cronJob.spec.timeZone)
    } catch (error) {
      if (!(error instanceof ScheduleError)) throw error
      const message = `unparseable schedule: ${JSON.stringify(cronJob.spec.schedule)} : ${error.message}`
      this.#tell(cronJob, 'Warning', 'UnparseableSchedule', message)
      return undefined
    }
  }

  async #remove({ key, object: cronJob, signal }: Pass<CronJob>, job: Job): Promise<void> {
    const options = { propagationPolicy: 'Background', preconditions: { uid: job.metadata.uid } } as const
    try {
      this.#jobs.wrote(key, await this.#client.delete(jobs, { ...at(job), signal }, options))
      this.#tell(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${job.metadata.name}`)
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  /** Answers what the status is to be then. */
  async #start(pass: Pass<CronJob>, plan: CronPlan): Promise<CronPlan['status']> {
    if (plan.next.action !== 'start') return plan.status
    const { key, object: cronJob, signal } = pass
    const { scheduledMs, replace } = plan.next
    for (const job of replace) await this.#remove(pass, job)
    const replaced = new Set(replace.map((job) => job.metadata.uid))
    const active = (plan.status.active ?? []).filter((reference) => !replaced.has(reference.uid ?? ''))
    try {
      const job = await this.#client.create(jobs, jobOf(cronJob, scheduledMs), { signal })
      this.#jobs.wrote(key, job)
      this.#tell(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${job.metadata.name}`)
      return { ...plan.status, active: [...active, referenceTo(job)], lastScheduleTime: timestamp(scheduledMs) }
    } catch (error) {
      // Somebody else's, where there is one already: a Job of the CronJob's own is known before it is made again.
      if (isNamespaceTerminating(error) || isAlreadyExists(error)) return plan.status
      this.#tell(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${error instanceof Error ? error.message : String(error)}`)
      throw error
    }
  }
}

export function cronJobController(context: ControllerContext): Controller {
  return workloadController<CronJob, CronInput, CronPlan>(context, new CronJobs(context))
}
