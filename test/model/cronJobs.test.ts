/** CronJobs under random histories: each time is served at most once, as its policy allows, and history stays short. */
import assert from 'node:assert/strict'
import { cronjobs, jobs, type CronJob, type Job } from '../../src/api/kinds/batch/v1.ts'
import { pods } from '../../src/api/kinds/core/v1.ts'
import { controllerOf, isConditionTrue } from '../../src/api/meta.ts'
import { disturbPod } from './disturbances.ts'
import { modelTest, type Scenario, type Step } from './histories.ts'
import { PodLives } from './podLives.ts'
import { NAMESPACE, type World } from './world.ts'

interface State {
  lives: PodLives
  /** How often a Job was made for each time. */
  served: Map<string, number>
}

const AT = { namespace: NAMESPACE, name: 'a' }
const MERGE = { ...AT, type: 'application/merge-patch+json' as const }
const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp'
const MINUTE_MS = 60_000

const live = (world: World): CronJob => world.truth.for(cronjobs).get('default/a') as CronJob
const jobsOf = (world: World): Job[] =>
  world.truth
    .for(jobs)
    .list(NAMESPACE)
    .filter((job) => controllerOf(job)?.uid === live(world).metadata.uid)
const isOver = (job: Job): boolean =>
  isConditionTrue(job.status?.conditions, 'Complete') || isConditionTrue(job.status?.conditions, 'Failed')

const scenario: Scenario<State> = {
  name: 'CronJob',
  controllers: ['cronjob-controller', 'job-controller'],
  async begin(world, random, mode) {
    const lives = new PodLives(world, { stepMs: 2_000, runMs: random.of([5_000, 100_000]) })
    const served = new Map<string, number>()
    await lives.start(['n1'])
    await world.onChange(cronjobs, () => {})
    await world.onChange(jobs, () => {})
    let seen: CronJob | undefined
    world.onReconcile((controller, key, { caches }) => {
      if (controller === 'cronjob-controller') seen = caches.for(cronjobs).get(key)
    })
    world.onWritten(({ resource, verb }, answer) => {
      if (resource.resource !== 'jobs' || verb !== 'create') return
      const job = answer as Job
      const time = job.metadata.annotations?.[SCHEDULED_AT] ?? ''
      served.set(time, (served.get(time) ?? 0) + 1)
      if ((served.get(time) ?? 0) > 1) world.fail(`${time} is served again`)
      if (Date.parse(time) > world.clock.now()) world.fail(`${time} has not come yet`)
      const others = jobsOf(world).filter((other) => other.metadata.uid !== job.metadata.uid && !isOver(other))
      const running = others.filter((other) => other.metadata.deletionTimestamp === undefined)
      const policy = seen?.spec.concurrencyPolicy
      if (policy !== 'Allow' && running.length > 0 && mode !== 'wild')
        world.fail(`${job.metadata.name} runs beside ${running[0]?.metadata.name}`)
      if (seen?.spec.suspend) world.fail('a Job is made while suspended')
    })
    await world.client.create(cronjobs, {
      metadata: AT,
      spec: {
        schedule: random.of(['* * * * *', '*/2 * * * *']),
        concurrencyPolicy: random.of(['Allow', 'Forbid', 'Replace']),
        successfulJobsHistoryLimit: random.below(3),
        failedJobsHistoryLimit: random.below(2),
        ...(random.chance(0.3) && { startingDeadlineSeconds: 90 }),
        jobTemplate: {
          spec: {
            backoffLimit: 0,
            template: {
              spec: {
                restartPolicy: 'Never',
                terminationGracePeriodSeconds: 1,
                containers: [{ name: 'c', image: random.of(['i', 'any']) }],
              },
            },
          },
        },
      },
    })
    return { lives, served }
  },
  step(random, mode): Step {
    return random.of<() => Step>([
      () => ({ do: 'wait', ms: random.below(4 * MINUTE_MS) }),
      () => ({ do: 'wait', ms: random.below(4 * MINUTE_MS) }),
      () => ({ do: 'suspend', suspend: random.chance(0.4) }),
      ...(mode === 'mild' ? [] : [() => ({ do: 'deleteJob' }), () => ({ do: 'killPod', at: random.below(100) })]),
    ])()
  },
  async apply(world, { lives }, step) {
    const { client } = world
    if (step.do === 'wait') await world.clock.advance(Number(step['ms']))
    else if (step.do === 'suspend') await client.patch(cronjobs, MERGE, { spec: { suspend: step['suspend'] } })
    else if (step.do === 'deleteJob') {
      const [job] = jobsOf(world)
      if (job)
        await client.delete(jobs, { namespace: NAMESPACE, name: job.metadata.name }, { propagationPolicy: 'Background' }).catch(() => {})
    } else await disturbPod(world, lives, step)
  },
  async rest(world) {
    await world.client.patch(cronjobs, MERGE, { spec: { suspend: true } })
  },
  async end(world, { served }) {
    const { spec, status } = live(world)
    const over = jobsOf(world).filter(isOver)
    const succeeded = over.filter((job) => isConditionTrue(job.status?.conditions, 'Complete')).length
    assert.ok(succeeded <= (spec.successfulJobsHistoryLimit ?? 3), `${succeeded} Jobs that succeeded are kept`)
    assert.ok(over.length - succeeded <= (spec.failedJobsHistoryLimit ?? 1), `${over.length - succeeded} Jobs that failed are kept`)
    assert.deepEqual(
      (status?.active ?? []).map(({ uid }) => uid).sort(),
      jobsOf(world)
        .filter((job) => !isOver(job))
        .map((job) => job.metadata.uid)
        .sort(),
      'active',
    )
    const times = [...served.keys()].sort()
    if (times.length > 0) assert.equal(Date.parse(status?.lastScheduleTime ?? ''), Date.parse(times.at(-1) ?? ''), 'lastScheduleTime')
    for (const pod of world.truth.for(pods).list(NAMESPACE)) {
      const isOrphan = !jobsOf(world).some((job) => job.metadata.uid === controllerOf(pod)?.uid)
      if (isOrphan) assert.deepEqual(pod.metadata.finalizers ?? [], [], `${pod.metadata.name} is held back`)
    }
  },
}

modelTest(scenario)
