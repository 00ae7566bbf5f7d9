/** What becomes of Jobs besides their pods' work: when they are over they live as long as they may; those of another controller are left to it. */
import assert from 'node:assert/strict'
import { jobs, type Job } from '../../src/api/kinds/batch/v1.ts'
import { pods } from '../../src/api/kinds/core/v1.ts'
import { controllerOf, findCondition, isConditionTrue, timestamp } from '../../src/api/meta.ts'
import { disturbPod } from './disturbances.ts'
import { modelTest, type Scenario, type Step } from './histories.ts'
import { PodLives } from './podLives.ts'
import { NAMESPACE, type World } from './world.ts'

interface State {
  lives: PodLives
}

const OWN = ['a', 'b', 'c']
const MANAGED = 'm'
const NAMES = [...OWN, MANAGED]
const TTL_MAX_SECONDS = 60

const merge = (name: string) => ({ namespace: NAMESPACE, name, type: 'application/merge-patch+json' as const })
const find = (world: World, name: string): Job | undefined => world.truth.for(jobs).get(`${NAMESPACE}/${name}`)

function endMs(job: Job): number | undefined {
  const end = ['Complete', 'Failed'].find((type) => isConditionTrue(job.status?.conditions, type))
  return end === undefined ? undefined : Date.parse(findCondition(job.status?.conditions, end)?.lastTransitionTime ?? '')
}

async function guard(world: World): Promise<void> {
  const finished = new Set<string>()
  await world.onChange(jobs, ({ before, after }) => {
    const isGoing = after === undefined || after.metadata.deletionTimestamp !== undefined
    if (before && isGoing && before.metadata.deletionTimestamp === undefined) {
      const { ttlSecondsAfterFinished: ttl } = before.spec ?? {}
      const leftMs = (endMs(before) ?? Infinity) + (ttl ?? Infinity) * 1_000 - world.clock.now()
      if (leftMs > 0) world.fail(`${before.metadata.name} goes although ${leftMs} ms are left to it`)
    }
    if (after && endMs(after) !== undefined) finished.add(after.metadata.uid)
  })
  await world.onChange(pods, ({ before, after }) => {
    const owner = after && !before ? controllerOf(after) : undefined
    if (owner?.name === MANAGED) world.fail('a pod is made for a Job that another controller manages')
    if (owner && finished.has(owner.uid)) world.fail('a pod is made for a Job that is over')
  })
  world.onWritten(({ resource, verb, name }, answer) => {
    if (resource.resource !== 'jobs' || verb !== 'update') return
    const job = answer as Job
    if (name === MANAGED || job.metadata.name === MANAGED) world.fail('the status of a Job that another controller manages is written')
  })
}

const scenario: Scenario<State> = {
  name: 'Job (retention, managed by another)',
  controllers: ['job-controller', 'ttl-after-finished-controller', 'garbage-collector-controller'],
  async begin(world, random) {
    const lives = new PodLives(world, { stepMs: 2_000, runMs: 8_000 })
    await lives.start(['n1', 'n2'])
    await guard(world)
    for (const name of NAMES) {
      const ttl = random.chance(0.6) ? { ttlSecondsAfterFinished: random.below(TTL_MAX_SECONDS) } : {}
      const template = {
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'c', image: random.of(['any', 'fails', 'i']) }],
        },
      }
      const spec = { ...ttl, completions: 1 + random.below(2), backoffLimit: 1, activeDeadlineSeconds: 90, template }
      await world.client.create(jobs, {
        metadata: { namespace: NAMESPACE, name },
        spec: { ...spec, ...(name === MANAGED && { managedBy: 'example.com/other' }) },
      })
    }
    return { lives }
  },
  step(random, mode): Step {
    return random.of<() => Step>([
      () => ({ do: 'wait' }),
      () => ({ do: 'ttl', name: random.of(NAMES), seconds: random.below(TTL_MAX_SECONDS) }),
      () => ({ do: 'keep', name: random.of(NAMES) }),
      () => ({ do: 'finishManaged' }),
      ...(mode === 'mild' ? [] : ['deletePod', 'failPod', 'succeedPod'].map((what) => () => ({ do: what, at: random.below(100) }))),
    ])()
  },
  async apply(world, { lives }, step) {
    const name = String(step['name'])
    const { client } = world
    switch (step.do) {
      case 'wait':
        return
      case 'ttl':
      case 'keep':
        if (find(world, name)) await client.patch(jobs, merge(name), { spec: { ttlSecondsAfterFinished: step['seconds'] ?? null } })
        return
      case 'finishManaged': {
        const job = find(world, MANAGED)
        if (!job || endMs(job) !== undefined) return
        const now = timestamp(world.clock.now())
        const condition = (type: string) => ({ type, status: 'True', lastProbeTime: now, lastTransitionTime: now })
        const conditions = [condition('SuccessCriteriaMet'), condition('Complete')]
        const status = { startTime: now, completionTime: now, succeeded: job.spec?.completions ?? 1, conditions }
        await client.patch(jobs, { ...merge(MANAGED), subresource: 'status' }, { status })
        return
      }
      default:
        return disturbPod(world, lives, step)
    }
  },
  async end(world) {
    // All deadlines and lives have passed by then.
    for (let seconds = 0; seconds < 90 + 2 * TTL_MAX_SECONDS; seconds++) await world.clock.advance(1_000)
    await world.settle()
    for (const name of NAMES) {
      const job = find(world, name)
      if (!job) continue
      assert.ok(endMs(job) !== undefined || name === MANAGED, `${name} is over: ${JSON.stringify(job.status)}`)
      const isKept = job.spec?.ttlSecondsAfterFinished === undefined || endMs(job) === undefined
      assert.ok(isKept, `${name} has outlived its ${job.spec?.ttlSecondsAfterFinished} s`)
    }
    const owners = new Set(
      world.truth
        .for(jobs)
        .list(NAMESPACE)
        .map(({ metadata }) => metadata.uid),
    )
    for (const pod of world.truth.for(pods).list(NAMESPACE)) {
      const owner = controllerOf(pod)
      assert.ok(owner && owners.has(owner.uid), `${pod.metadata.name} has gone with its Job ${owner?.name}`)
    }
  },
}

modelTest(scenario)
