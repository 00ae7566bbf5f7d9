/** Jobs under random histories: every finished pod is counted once, no index runs twice at a time, and nothing is held back. */
import assert from 'node:assert/strict'
import { jobs, type Job, type JobSpec } from '../../src/api/kinds/batch/v1.ts'
import { pods, type Pod } from '../../src/api/kinds/core/v1.ts'
import { controllerOf, isConditionTrue } from '../../src/api/meta.ts'
import { indexOf, isTracked, parseIndexes } from '../../src/controllers/job/finishedPods.ts'
import type { Random } from '../fuzz/random.ts'
import { disturbPod } from './disturbances.ts'
import { modelTest, type Mode, type Scenario, type Step } from './histories.ts'
import { isLive, PodLives } from './podLives.ts'
import { NAMESPACE, type World } from './world.ts'

/** What became of each pod of the Job, by uid. */
interface Fate {
  pod: Pod
  /** How it was when it had its tracking finalizer last. */
  counted: 'Succeeded' | 'Failed' | 'leaving' | 'discarded' | undefined
}

interface State {
  lives: PodLives
  fates: Map<string, Fate>
}

const AT = { namespace: NAMESPACE, name: 'a' }
const MERGE = { ...AT, type: 'application/merge-patch+json' as const }
const isOver = (job: Job): boolean =>
  isConditionTrue(job.status?.conditions, 'Complete') || isConditionTrue(job.status?.conditions, 'Failed')
const isEnding = (job: Job): boolean =>
  isOver(job) || isConditionTrue(job.status?.conditions, 'FailureTarget') || isConditionTrue(job.status?.conditions, 'SuccessCriteriaMet')
const live = (world: World): Job => world.truth.for(jobs).get('default/a') as Job

async function guard(world: World, fates: Map<string, Fate>, mode: Mode): Promise<void> {
  let seen: Job | undefined
  world.onReconcile((_, key, { caches }) => {
    seen = caches.for(jobs).get(key)
  })
  await world.onChange(jobs, ({ before, after }) => {
    if (!before || !after) return
    if (isOver(before) && !isOver(after)) world.fail('a Job that was over is not')
    for (const count of ['succeeded', 'failed'] as const)
      if ((after.status?.[count] ?? 0) < (before.status?.[count] ?? 0)) world.fail(`${count} went down`)
  })
  await world.onChange(pods, ({ before, after }) => {
    const pod = after ?? before
    if (!pod || controllerOf(pod)?.kind !== 'Job') return
    const known = fates.get(pod.metadata.uid)?.counted
    const tracked = before !== undefined && isTracked(before)
    const isReleased = tracked && (!after || !isTracked(after))
    const phase = pod.status?.phase
    const isLeaving = pod.metadata.deletionTimestamp !== undefined
    const ended = phase === 'Succeeded' || phase === 'Failed' ? phase : isLeaving ? 'leaving' : 'discarded'
    fates.set(pod.metadata.uid, { pod, counted: isReleased ? ended : known })
  })
  world.onWritten(({ resource, verb }, answer) => {
    if (resource.resource !== 'pods' || verb !== 'create' || !seen) return
    const pod = answer as Pod
    const others = world.truth
      .for(pods)
      .list(NAMESPACE)
      .filter((other) => isLive(other) && other.metadata.uid !== pod.metadata.uid)
    const { parallelism = 1, completionMode, suspend } = seen.spec ?? {}
    if (others.length + 1 > parallelism) world.fail(`${others.length + 1} pods where ${parallelism} may run`)
    if (suspend) world.fail('a pod is made for a suspended Job')
    if (isEnding(live(world)) && mode === 'mild') world.fail('a pod is made for a Job that ends')
    const twin = completionMode === 'Indexed' && others.find((other) => indexOf(other) === indexOf(pod))
    if (twin) world.fail(`index ${indexOf(pod)} runs twice: ${pod.metadata.name} and ${twin.metadata.name}`)
    const done = parseIndexes(live(world).status?.completedIndexes, Infinity)
    if (completionMode === 'Indexed' && done.has(indexOf(pod) ?? -1)) world.fail(`index ${indexOf(pod)} is done already`)
  })
}

/** Of a failed pod whose index has failures of its own the finalizer goes when the index has another pod. */
function awaitsReplacement(world: World, pod: Pod): boolean {
  const { spec, status } = live(world)
  const index = indexOf(pod) ?? -1
  const settled = [status?.completedIndexes, status?.failedIndexes].some((text) => parseIndexes(text, Infinity).has(index))
  const isEnding = status?.conditions?.some((each) => ['FailureTarget', 'SuccessCriteriaMet'].includes(each.type) && each.status === 'True')
  const taken = world.truth
    .for(pods)
    .list(NAMESPACE)
    .some((other) => isLive(other) && indexOf(other) === index)
  return spec?.backoffLimitPerIndex !== undefined && index < (spec.completions ?? 0) && !settled && !isEnding && !taken
}

async function checkEnd(world: World, { fates }: State): Promise<void> {
  const job = live(world)
  const { spec, status } = job
  for (const pod of world.truth.for(pods).list(NAMESPACE)) {
    if (controllerOf(pod)?.uid !== job.metadata.uid) continue
    if (awaitsReplacement(world, pod)) continue
    assert.ok(!isTracked(pod) || isLive(pod), `${pod.metadata.name} is still tracked`)
    assert.ok(pod.metadata.deletionTimestamp === undefined, `${pod.metadata.name} is stuck`)
  }
  const all = [...fates.values()]
  const of = (end: Fate['counted']): Pod[] => all.filter(({ counted }) => counted === end).map(({ pod }) => pod)
  const isIndexed = spec?.completionMode === 'Indexed'
  const succeeded = of('Succeeded')
  if (isIndexed) {
    const done = parseIndexes(status?.completedIndexes, spec?.completions ?? 0)
    assert.equal(status?.succeeded ?? 0, done.size, 'succeeded is the number of completed indexes')
    const indexes = new Set(succeeded.map((pod) => indexOf(pod) ?? -1).filter((index) => index < (spec?.completions ?? 0)))
    for (const index of done) assert.ok(indexes.has(index), `index ${index} is counted and no pod of it succeeded`)
    if (!spec?.successPolicy && isConditionTrue(status?.conditions, 'Complete')) assert.equal(done.size, spec?.completions)
  } else {
    // One that was told to go counts as failed at once, though it may end well before its finalizer is taken.
    const sure = succeeded.filter((pod) => pod.metadata.deletionTimestamp === undefined).length
    const count = status?.succeeded ?? 0
    assert.ok(count >= sure && count <= succeeded.length, `succeeded is ${count}; ${sure} to ${succeeded.length} have`)
  }
  if (!spec?.podFailurePolicy && !isIndexed) {
    const ended = succeeded.length + of('Failed').length
    const leaving = of('leaving').length
    const count = (status?.succeeded ?? 0) + (status?.failed ?? 0)
    // Those that were leaving when the Job had what it needs are not counted.
    const least = isConditionTrue(status?.conditions, 'SuccessCriteriaMet') ? ended : ended + leaving
    assert.ok(count >= least && count <= ended + leaving, `succeeded and failed are ${count}; ${least} to ${ended + leaving} have ended`)
  }
  assert.deepEqual(status?.uncountedTerminatedPods ?? {}, {}, 'all is counted')
  const active = all.filter(({ pod }) => world.truth.for(pods).get(`${NAMESPACE}/${pod.metadata.name}`) && isLive(pod)).length
  assert.equal(status?.active ?? 0, active, 'active')
  assert.equal(status?.terminating ?? 0, 0, 'terminating')
  if (spec?.suspend) {
    if (!isOver(job)) assert.equal(isConditionTrue(status?.conditions, 'Suspended'), true)
    assert.equal(active, 0)
    return
  }
  assert.ok(isOver(job) || (spec?.parallelism ?? 1) === 0, `the Job is over: ${JSON.stringify(status)}`)
  if (!isOver(job)) return
  assert.equal(active, 0, 'active pods')
  assert.ok(
    isConditionTrue(status?.conditions, 'Failed') === isConditionTrue(status?.conditions, 'FailureTarget') &&
      isConditionTrue(status?.conditions, 'Complete') === isConditionTrue(status?.conditions, 'SuccessCriteriaMet'),
    'conditions',
  )
  assert.equal(isConditionTrue(status?.conditions, 'Complete'), status?.completionTime !== undefined)
  assert.notEqual(status?.startTime, undefined)
}

type Kind = 'plain' | 'queue' | 'indexed' | 'perIndex' | 'successPolicy' | 'failurePolicy'

function specOf(kind: Kind, random: Random): JobSpec {
  const completions = 1 + random.below(6)
  const parallelism = 1 + random.below(4)
  const backoffLimit = random.of([0, 2, 6])
  const image = random.of(['i', 'any', 'any', 'fails'])
  const spec: JobSpec = {
    parallelism,
    backoffLimit,
    template: { spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image }] } },
    ...(random.chance(0.2) && { activeDeadlineSeconds: 20 + random.below(60) }),
    ...(random.chance(0.2) && { podReplacementPolicy: 'Failed' }),
    ...(random.chance(0.1) && { suspend: true }),
  }
  const indexed = { ...spec, completions, completionMode: 'Indexed' }
  switch (kind) {
    case 'plain':
      return { ...spec, completions }
    case 'queue':
      return spec
    case 'indexed':
      return indexed
    case 'perIndex':
      return {
        ...indexed,
        backoffLimit: 2 ** 31 - 1,
        backoffLimitPerIndex: random.below(3),
        ...(random.chance(0.4) && { maxFailedIndexes: 1 }),
      }
    case 'successPolicy':
      return { ...indexed, successPolicy: { rules: [random.chance(0.5) ? { succeededCount: 1 } : { succeededIndexes: '0' }] } }
    case 'failurePolicy': {
      const onExitCodes = { operator: 'In', values: [2] }
      const disrupted = { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }
      return {
        ...spec,
        completions,
        podFailurePolicy: { rules: [{ action: random.of(['FailJob', 'Ignore', 'Count']), onExitCodes }, disrupted] },
      }
    }
  }
}

const scenario = (kind: Kind): Scenario<State> => ({
  name: `Job (${kind})`,
  controllers: ['job-controller'],
  async begin(world, random, mode) {
    const lives = new PodLives(world, { stepMs: 2_000, runMs: 8_000 })
    const fates = new Map<string, Fate>()
    await guard(world, fates, mode)
    await lives.start(['n1', 'n2', 'n3'])
    await world.client.create(jobs, { metadata: AT, spec: specOf(kind, random) })
    return { lives, fates }
  },
  step(random, mode): Step {
    return random.of<() => Step>([
      () => ({ do: 'parallelism', to: random.below(5) }),
      () => ({ do: 'suspend', suspend: random.chance(0.4) }),
      () => ({ do: 'wait' }),
      () => ({ do: 'wait' }),
      ...(mode === 'mild'
        ? []
        : ['deletePod', 'killPod', 'failPod', 'succeedPod', 'evictPod', 'loseNode'].map((what) => () => ({
            do: what,
            at: random.below(100),
          }))),
    ])()
  },
  async apply(world, { lives }, step) {
    const { client } = world
    if (step.do === 'wait') return
    if (step.do === 'parallelism') await client.patch(jobs, MERGE, { spec: { parallelism: step['to'] } })
    else if (step.do === 'suspend') await client.patch(jobs, MERGE, { spec: { suspend: step['suspend'] } })
    else await disturbPod(world, lives, step)
  },
  async end(world, state) {
    // One that was left without parallelism may go on.
    if (live(world).spec?.parallelism === 0 && !isOver(live(world))) {
      await world.client.patch(jobs, MERGE, { spec: { parallelism: 2 } })
      await world.settle()
    }
    await checkEnd(world, state)
  },
})

for (const kind of ['plain', 'queue', 'indexed', 'perIndex', 'successPolicy', 'failurePolicy'] as const) modelTest(scenario(kind))
