import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CronJob, CronJobSpec, Job } from '../../api/kinds/batch/v1.ts'
import { jobOf, planCronJob, type CronPlan } from './plan.ts'
import { parseSchedule, ScheduleError } from './schedule.ts'

const iso = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString().replace('.000Z', 'Z')
const NOON = Date.parse('2026-01-01T12:00:00Z')

test('schedules', () => {
  const cases: [string, string | undefined, string | undefined][] = [
    ['*/15 * * * *', undefined, '2026-01-01T12:15:00Z'],
    ['5/20 * * * *', undefined, '2026-01-01T12:05:00Z'],
    ['0 0 1 * *', undefined, '2026-02-01T00:00:00Z'],
    ['0 9 * * MON', undefined, '2026-01-05T09:00:00Z'],
    // Both a day of the month and a weekday: either will do.
    ['0 0 13 * 5', undefined, '2026-01-02T00:00:00Z'],
    ['@hourly', undefined, '2026-01-01T13:00:00Z'],
    ['@every 1h30m', undefined, '2026-01-01T13:30:00Z'],
    ['0 9 * * *', 'America/New_York', '2026-01-01T14:00:00Z'],
    ['TZ=Asia/Tokyo 0 0 * * *', undefined, '2026-01-01T15:00:00Z'],
    ['0 0 31 2 *', undefined, undefined],
  ]
  for (const [text, zone, expected] of cases) assert.equal(iso(parseSchedule(text, zone).next(NOON)), expected, text)
  for (const text of ['* * * *', '61 * * * *', 'tomorrow', '@every x', '* * * * * *'])
    assert.throws(() => parseSchedule(text), ScheduleError, text)
  assert.throws(() => parseSchedule('* * * * *', 'Nowhere/Land'), ScheduleError)
})

function cronJob(spec: Partial<CronJobSpec> = {}, status: CronJob['status'] = {}): CronJob {
  return {
    metadata: { name: 'c', namespace: 'ns', uid: 'c', resourceVersion: '1', creationTimestamp: '2026-01-01T10:30:00Z' },
    spec: { schedule: '0 * * * *', jobTemplate: {}, ...spec },
    status,
  }
}

function job(name: string, end?: 'Complete' | 'Failed'): Job {
  return {
    metadata: { name, namespace: 'ns', uid: name, resourceVersion: '1', creationTimestamp: `2026-01-01T0${name.length}:00:00Z` },
    spec: { template: {} },
    ...(end && { status: { conditions: [{ type: end, status: 'True' }] } }),
  }
}

const inStatus = (...names: string[]): CronJob['status'] => ({ active: names.map((name) => ({ name, uid: name })) })

const plan = (cron: CronJob, jobs: Job[], nowMs: number): CronPlan =>
  planCronJob({ cronJob: cron, schedule: parseSchedule(cron.spec.schedule), jobs, nowMs })

function next(spec: Partial<CronJobSpec>, owned: Job[] = [], status: CronJob['status'] = {}): string {
  const cron = cronJob(spec, status)
  const { next: then } = plan(cron, owned, NOON + 30_000)
  const replace = then.action === 'start' && then.replace.length > 0 ? ` for ${then.replace.map((j) => j.metadata.name).join()}` : ''
  return 'scheduledMs' in then ? `${then.action} ${iso(then.scheduledMs)}${replace}` : then.action
}

test('what is due', () => {
  assert.equal(next({}), 'start 2026-01-01T12:00:00Z')
  assert.equal(next({}, [], { lastScheduleTime: '2026-01-01T12:00:00Z' }), 'none')
  assert.equal(next({ suspend: true }), 'none')
  assert.equal(next({ concurrencyPolicy: 'Forbid' }, [job('x')], inStatus('x')), 'forbidden 2026-01-01T12:00:00Z')
  assert.equal(next({ concurrencyPolicy: 'Replace' }, [job('x')], inStatus('x')), 'start 2026-01-01T12:00:00Z for x')
  // A Job that somebody else made in its name is not in the way.
  assert.equal(next({ concurrencyPolicy: 'Forbid' }, [job('x')]), 'start 2026-01-01T12:00:00Z')
  assert.equal(next({ schedule: '0 0 31 2 *' }), 'never')
  assert.equal(next({ schedule: '0 0 31 2 *', suspend: true }), 'none')
  assert.equal(next({ startingDeadlineSeconds: 10 }), 'none')
  assert.equal(next({ startingDeadlineSeconds: 60 }), 'start 2026-01-01T12:00:00Z')
  assert.equal(next({}, [job(`c-${NOON / 60_000}`)]), 'none')
})

test('the next look is at the next time', () => {
  const cron = cronJob()
  assert.equal(plan(cron, [], NOON + 30_000).recheckAfterMs, 3_570_000)
})

test('after a long time away only the newest time counts', () => {
  const cron = cronJob({ schedule: '* * * * *' }, { lastScheduleTime: '2020-01-01T00:00:00Z' })
  const { next: then } = plan(cron, [], NOON + 30_000)
  assert.equal(then.action === 'start' && iso(then.scheduledMs), '2026-01-01T12:00:00Z')
})

test('history keeps the newest of each kind', () => {
  const owned = [job('a', 'Complete'), job('bb', 'Complete'), job('ccc', 'Failed'), job('dddd', 'Failed'), job('eeeee')]
  const { expired, status } = plan(cronJob({ successfulJobsHistoryLimit: 1, suspend: true }, inStatus('a', 'eeeee')), owned, NOON)
  assert.deepEqual(
    expired.map((j) => j.metadata.name),
    ['a', 'ccc'],
  )
  assert.deepEqual(
    status.active?.map((reference) => reference.name),
    ['eeeee'],
  )
})

test('a Job is named after its time', () => {
  const draft = jobOf(cronJob({ timeZone: 'America/New_York' }), NOON)
  assert.equal(draft.metadata.name, `c-${NOON / 60_000}`)
  assert.deepEqual(draft.metadata.annotations, { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T07:00:00-05:00' })
})

test('a time that was served is on record, even when the status could not be written at once', () => {
  const cron = cronJob({ successfulJobsHistoryLimit: 0 }, { lastScheduleTime: '2026-01-01T11:00:00Z' })
  const made = jobOf(cron, NOON).metadata.name ?? ''
  const { next: then, status } = plan(cron, [job(made, 'Complete')], NOON + 30_000)
  assert.equal(then.action, 'none')
  assert.equal(status.lastScheduleTime, '2026-01-01T12:00:00Z')
})

test('the time of a Job whose creation was not answered is on record while suspended, too', () => {
  const made = job('c-29454480', 'Complete')
  made.metadata.annotations = { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T21:00:00+09:00' }
  const recorded = (status: CronJob['status']): string | undefined =>
    plan(cronJob({ suspend: true }, status), [made], NOON + 1).status.lastScheduleTime
  assert.equal(recorded({}), '2026-01-01T12:00:00Z')
  assert.equal(recorded({ lastScheduleTime: '2026-01-01T13:00:00Z' }), '2026-01-01T13:00:00Z')
})

test('a Job whose creation was not answered is active', () => {
  const cron = cronJob({ concurrencyPolicy: 'Forbid' })
  const made = job(jobOf(cron, NOON).metadata.name ?? '')
  const { next: then, status } = plan(cron, [made], NOON + 30_000)
  assert.equal(then.action, 'none')
  assert.deepEqual([status.active?.map(({ name }) => name), status.lastScheduleTime], [[made.metadata.name], '2026-01-01T12:00:00Z'])
})

test('what became of the active Jobs', () => {
  const owned = [job('a'), job('bb', 'Complete'), job('ccc', 'Failed'), job('ours'), job('ours-done', 'Complete')]
  const { events: news } = plan(cronJob({ suspend: true }, inStatus('a', 'bb', 'ccc', 'dddd')), owned, NOON)
  assert.deepEqual(
    news.map(({ type, reason, message }) => [type, reason, message]),
    [
      ['Normal', 'SawCompletedJob', 'Saw completed job: bb, condition: Complete'],
      ['Normal', 'SawCompletedJob', 'Saw completed job: ccc, condition: Failed'],
      ['Warning', 'UnexpectedJob', 'Saw a job that the controller did not create or forgot: ours'],
      ['Normal', 'MissingJob', 'Active job went missing: dddd'],
    ],
  )
})

test('what there is to tell of its times', () => {
  const told = (spec: Partial<CronJobSpec>, status: CronJob['status'] = {}, owned: Job[] = []): string[] =>
    plan(cronJob(spec, status), owned, NOON + 30_000).events.map(({ reason }) => reason)
  assert.deepEqual(told({}), [])
  assert.deepEqual(told({ schedule: '0 0 31 2 *' }), ['InvalidSchedule'])
  assert.deepEqual(told({ concurrencyPolicy: 'Forbid' }, inStatus('x'), [job('x')]), ['JobAlreadyActive'])
  assert.deepEqual(told({ schedule: '* * * * *' }, { lastScheduleTime: '2026-01-01T01:00:00Z' }), ['TooManyMissedTimes'])
})
