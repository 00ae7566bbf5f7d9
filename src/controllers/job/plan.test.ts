import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Job, JobSpec } from '../../api/kinds/batch/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { COMPLETION_INDEX, formatIndexes, indexOf, parseIndexes, TRACKING_FINALIZER } from './finishedPods.ts'
import { JobBackoffs } from './backoff.ts'
import { jobPod } from './jobPod.ts'
import { planJob, type JobPlan } from './plan.ts'

const START = Date.UTC(2026, 0, 1)

function job(spec: Partial<JobSpec> = {}): Job {
  return {
    metadata: { name: 'j', namespace: 'ns', uid: 'j', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { completions: 1, parallelism: 1, backoffLimit: 6, template: { spec: { containers: [], restartPolicy: 'Never' } }, ...spec },
  }
}

/** A cluster of one Job: pods do what the test says, and finalizers hold them back as they do in a real one. */
class World {
  job: Job
  pods: Pod[] = []
  nowMs = START
  #made = 0
  readonly #backoffs = new JobBackoffs()

  constructor(spec: Partial<JobSpec> = {}) {
    this.job = job(spec)
  }

  pass(): JobPlan {
    const plan = planJob({ job: this.job, pods: this.pods, nowMs: this.nowMs, ends: this.#backoffs.note('ns/j', this.job, this.pods) })
    this.job = { ...this.job, status: plan.status }
    this.pods = this.pods
      .filter((pod) => !plan.discard.includes(pod))
      .map((pod) => {
        const { finalizers: _, ...metadata } = pod.metadata
        if (plan.untrack.includes(pod)) return { ...pod, metadata }
        return plan.remove.includes(pod) ? { ...pod, metadata: { ...pod.metadata, deletionTimestamp: 'now' } } : pod
      })
      .filter((pod: Pod) => pod.metadata.deletionTimestamp === undefined || pod.metadata.finalizers)
    for (const { index, failures } of plan.create) {
      const name = `p${this.#made++}`
      this.pods.push({
        metadata: {
          name,
          namespace: 'ns',
          uid: name,
          resourceVersion: '1',
          creationTimestamp: new Date(this.nowMs).toISOString(),
          finalizers: [TRACKING_FINALIZER],
          ...(index !== undefined && {
            annotations: {
              'batch.kubernetes.io/job-completion-index': String(index),
              'batch.kubernetes.io/job-index-failure-count': String(failures.counted),
            },
          }),
        },
        spec: { containers: [] },
        status: { phase: 'Running' },
      })
    }
    return plan
  }

  /** Passes until nothing changes any more. */
  settle(): void {
    for (let i = 0; i < 20; i++) {
      const before = JSON.stringify([this.job, this.pods])
      this.pass()
      if (JSON.stringify([this.job, this.pods]) === before) return
    }
    assert.fail('the job does not settle')
  }

  end(name: string, phase: 'Succeeded' | 'Failed', exitCode = 1): void {
    const terminated = { exitCode: phase === 'Failed' ? exitCode : 0, finishedAt: new Date(this.nowMs).toISOString() }
    const containerStatuses = [{ name: 'c', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated } }]
    this.pods = this.pods.map((pod) => (pod.metadata.name === name ? { ...pod, status: { phase, containerStatuses } } : pod))
  }

  running(): string[] {
    return this.pods.filter((pod) => pod.status?.phase === 'Running').map((pod) => pod.metadata.name)
  }

  conditions(): string[] {
    return (this.job.status?.conditions ?? []).filter((c) => c.status === 'True').map((c) => `${c.type} ${c.reason}`)
  }
}

test('pods run up to the parallelism until enough have succeeded', () => {
  const world = new World({ completions: 3, parallelism: 2 })
  world.settle()
  assert.deepEqual(world.running(), ['p0', 'p1'])
  world.end('p0', 'Succeeded')
  world.settle()
  assert.deepEqual(world.running(), ['p1', 'p2'])
  assert.equal(world.job.status?.succeeded, 1)
  world.end('p1', 'Succeeded')
  world.end('p2', 'Succeeded')
  world.settle()
  const { succeeded, active, completionTime, uncountedTerminatedPods } = world.job.status ?? {}
  assert.deepEqual(
    { succeeded, active, completionTime, uncountedTerminatedPods },
    { succeeded: 3, active: undefined, completionTime: '2026-01-01T00:00:00Z', uncountedTerminatedPods: {} },
  )
  assert.deepEqual(world.conditions(), ['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached'])
})

test('a pod is announced before its finalizer goes, and counted once', () => {
  const world = new World()
  world.settle()
  world.end('p0', 'Failed')
  const plan = world.pass()
  assert.deepEqual(plan.status.uncountedTerminatedPods, { failed: ['p0'] })
  assert.deepEqual(
    plan.untrack.map((pod) => pod.metadata.name),
    ['p0'],
  )
  assert.equal(plan.status.failed, undefined)
  world.pass()
  assert.equal(world.job.status?.failed, 1)
})

test('failures are tried again later and later, up to the limit', () => {
  const world = new World({ backoffLimit: 2 })
  world.settle()
  const waits: (number | undefined)[] = []
  for (let i = 0; i < 2; i++) {
    world.end(`p${i}`, 'Failed')
    world.settle()
    waits.push(world.pass().recheckAfterMs)
    world.nowMs += waits[i] ?? 0
    world.settle()
    assert.deepEqual(world.running(), [`p${i + 1}`])
  }
  assert.deepEqual(waits, [10_000, 20_000])
  world.end('p2', 'Failed')
  world.settle()
  assert.deepEqual(world.conditions(), ['FailureTarget BackoffLimitExceeded', 'Failed BackoffLimitExceeded'])
  assert.deepEqual([world.job.status?.failed, world.job.status?.completionTime], [3, undefined])
})

test('the deadline ends what still runs', () => {
  const world = new World({ activeDeadlineSeconds: 30, completions: 2, parallelism: 2 })
  world.settle()
  assert.equal(world.pass().recheckAfterMs, 30_000)
  world.nowMs += 30_000
  world.settle()
  assert.deepEqual(world.running(), [])
  assert.deepEqual(world.conditions(), ['FailureTarget DeadlineExceeded', 'Failed DeadlineExceeded'])
})

test('indexed Jobs run each index once and report which are done', () => {
  const world = new World({ completionMode: 'Indexed', completions: 4, parallelism: 3 })
  world.settle()
  world.end('p0', 'Succeeded')
  world.end('p1', 'Succeeded')
  world.end('p2', 'Failed')
  world.settle()
  world.nowMs += 10_000
  world.settle()
  assert.equal(world.job.status?.completedIndexes, '0,1')
  const indexes = world.pods
    .filter((pod) => pod.status?.phase === 'Running')
    .map((pod) => pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index'])
  assert.deepEqual(indexes, ['2', '3'])
})

test('a limit per index gives up that index only', () => {
  const world = new World({ completionMode: 'Indexed', completions: 2, parallelism: 2, backoffLimitPerIndex: 0, backoffLimit: 2 ** 31 - 1 })
  world.settle()
  world.end('p0', 'Failed')
  world.settle()
  assert.equal(world.job.status?.failedIndexes, '0')
  world.end('p1', 'Succeeded')
  world.settle()
  assert.deepEqual(world.conditions(), ['FailureTarget FailedIndexes', 'Failed FailedIndexes'])
})

test('failure policies: fail at once, or do not count', () => {
  const rule = (action: string, values: number[]) => ({ action, onExitCodes: { operator: 'In', values } })
  const world = new World({ podFailurePolicy: { rules: [rule('Ignore', [1]), rule('FailJob', [42])] }, backoffLimit: 0 })
  world.settle()
  world.end('p0', 'Failed', 1)
  world.settle()
  assert.equal(world.job.status?.failed, undefined)
  world.nowMs += 10_000
  world.settle()
  world.end('p1', 'Failed', 42)
  world.settle()
  assert.equal(
    world.job.status?.conditions?.[0]?.message,
    'Container c for pod ns/p1 failed with exit code 42 matching FailJob rule at index 1',
  )
})

test('a success policy ends the Job early', () => {
  const world = new World({
    completionMode: 'Indexed',
    completions: 3,
    parallelism: 3,
    successPolicy: { rules: [{ succeededIndexes: '0' }] },
  })
  world.settle()
  world.end('p0', 'Succeeded')
  world.settle()
  assert.deepEqual(world.running(), [])
  assert.deepEqual(world.conditions(), ['SuccessCriteriaMet SuccessPolicy', 'Complete SuccessPolicy'])
})

test('suspending takes the pods away uncounted, resuming brings them back', () => {
  const world = new World({ completions: 2, parallelism: 2 })
  world.settle()
  world.job = { ...world.job, spec: { ...job({ completions: 2, parallelism: 2 }).spec, suspend: true } }
  world.settle()
  assert.deepEqual([world.running(), world.conditions(), world.job.status?.failed], [[], ['Suspended JobSuspended'], undefined])
  world.job = { ...world.job, spec: { ...world.job.spec, suspend: false } }
  world.settle()
  assert.deepEqual([world.running().length, world.conditions()], [2, []])
})

test('a suspended Job whose pods have succeeded all the same ends, with the time at which it started', () => {
  const spec = { parallelism: 2, suspend: true, completions: undefined } as Partial<JobSpec>
  const world = new World({ ...spec, suspend: false })
  world.settle()
  for (const name of world.running()) world.end(name, 'Succeeded')
  world.job = { ...world.job, spec: { ...world.job.spec, suspend: true } as JobSpec, status: { ...world.job.status } }
  delete world.job.status?.startTime
  world.settle()
  assert.deepEqual(world.conditions(), ['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached'])
  assert.notEqual(world.job.status?.startTime, undefined)
})

test('pods that are taken away in a pass do not count as ready in it', () => {
  const world = new World({ completions: 2, parallelism: 2 })
  world.settle()
  const conditions = [{ type: 'Ready', status: 'True' }]
  world.pods = world.pods.map((pod) => ({ ...pod, status: { ...pod.status, conditions } }))
  world.job = { ...world.job, spec: { ...world.job.spec, suspend: true } as JobSpec }
  const { status } = world.pass()
  assert.deepEqual([status.active, status.ready, status.terminating], [undefined, 0, 2])
})

test('sets of indexes as text', () => {
  for (const text of ['', '0', '0,1', '1,3-5,7', '0-99']) assert.equal(formatIndexes(parseIndexes(text, 100)), text)
})

test('what failed and is gone delays the next pod all the same', () => {
  const backoffs = new JobBackoffs()
  const of = job()
  const terminated = { finishedAt: new Date(START).toISOString(), exitCode: 1 }
  const failed = {
    metadata: { name: 'p', uid: 'u', finalizers: [TRACKING_FINALIZER], creationTimestamp: new Date(START).toISOString() },
    spec: { containers: [] },
    status: { phase: 'Failed', containerStatuses: [{ name: 'c', state: { terminated } }] },
  } as unknown as Pod
  backoffs.note('ns/j', of, [failed])
  const plan = planJob({ job: of, pods: [], nowMs: START + 1_000, ends: backoffs.note('ns/j', of, []) })
  assert.deepEqual([plan.create, plan.recheckAfterMs], [[], 9_000])
  backoffs.forget('ns/j')
  assert.equal(planJob({ job: of, pods: [], nowMs: START + 1_000, ends: backoffs.note('ns/j', of, []) }).create.length, 1)
})

const ended = (name: string, index: number, exitCode: number, annotations: Record<string, string> = {}): Pod =>
  ({
    metadata: {
      name,
      uid: name,
      creationTimestamp: new Date(START).toISOString(),
      annotations: { [COMPLETION_INDEX]: String(index), ...annotations },
      finalizers: [TRACKING_FINALIZER],
    },
    spec: { containers: [] },
    status: {
      phase: 'Failed',
      containerStatuses: [{ name: 'c', state: { terminated: { exitCode, finishedAt: new Date(START).toISOString() } } }],
    },
  }) as unknown as Pod

test('an index that failed does not keep those beside it waiting, and holds its pod until there is another', () => {
  const of = job({ completionMode: 'Indexed', completions: 3, parallelism: 2, backoffLimitPerIndex: 3 })
  const failed = ended('a', 0, 1)
  const plan = planJob({ job: of, pods: [failed], nowMs: START + 1_000, ends: [] })
  assert.deepEqual([plan.create.map(({ index }) => index), plan.recheckAfterMs], [[1], 9_000])
  assert.deepEqual([plan.untrack, plan.status.uncountedTerminatedPods], [[], {}])
  const later = planJob({ job: of, pods: [failed], nowMs: START + 10_000, ends: [] })
  assert.deepEqual(later.create[0], { index: 0, failures: { counted: 1, ignored: 0 } })
  const replaced = { ...failed, metadata: { ...failed.metadata, name: 'b', uid: 'b' }, status: { phase: 'Running' } }
  const after = planJob({ job: of, pods: [failed, replaced], nowMs: START + 11_000, ends: [] })
  assert.deepEqual([after.untrack, after.status.uncountedTerminatedPods], [[failed], { failed: ['a'] }])
})

test('failures of an index that a policy ignores are counted apart and use up no limit', () => {
  const rules = [{ action: 'Ignore', onExitCodes: { operator: 'In', values: [7] } }]
  const of = job({ completionMode: 'Indexed', backoffLimitPerIndex: 0, podFailurePolicy: { rules } })
  const plan = planJob({ job: of, pods: [ended('a', 0, 7)], nowMs: START + 10_000, ends: [] })
  assert.deepEqual([plan.create, plan.status.failedIndexes], [[{ index: 0, failures: { counted: 0, ignored: 1 } }], ''])
  const marks = { 'batch.kubernetes.io/job-index-failure-count': '0', 'batch.kubernetes.io/job-index-ignored-failure-count': '1' }
  const again = [ended('b', 0, 7, marks)]
  assert.deepEqual(planJob({ job: of, pods: again, nowMs: START + 10_000, ends: [] }).recheckAfterMs, 10_000)
  assert.deepEqual(planJob({ job: of, pods: again, nowMs: START + 20_000, ends: [] }).create[0]?.failures, { counted: 0, ignored: 2 })
  assert.equal(planJob({ job: of, pods: [ended('c', 0, 1)], nowMs: START, ends: [] }).status.failedIndexes, '0')
})

test('indexes do not fail by the end of the Job', () => {
  const of = job({ completionMode: 'Indexed', completions: 2, parallelism: 2, backoffLimitPerIndex: 0, maxFailedIndexes: 0 })
  const running = { ...ended('b', 1, 0), status: { phase: 'Running' } }
  const first = planJob({ job: of, pods: [ended('a', 0, 1), running], nowMs: START, ends: [] })
  assert.deepEqual([first.status.failedIndexes, first.remove], ['0', [running]])
  const leaving = { ...running, metadata: { ...running.metadata, deletionTimestamp: new Date(START).toISOString() } }
  assert.equal(planJob({ job: { ...of, status: first.status }, pods: [leaving], nowMs: START, ends: [] }).status.failedIndexes, '0')
})

test('what a container says of JOB_COMPLETION_INDEX itself is kept', () => {
  const containers = [{ name: 'own', env: [{ name: 'JOB_COMPLETION_INDEX', value: 'x' }] }, { name: 'other' }]
  const of = job({ completionMode: 'Indexed', template: { spec: { containers, restartPolicy: 'Never' } } })
  const pod = jobPod(of, { index: 4, failures: { counted: 2, ignored: 0 } })
  assert.deepEqual(pod.spec.containers[0], containers[0])
  assert.equal(pod.spec.containers[1]?.env?.[0]?.name, 'JOB_COMPLETION_INDEX')
})

test('of too many indexed pods those go that are there twice, then the highest', () => {
  const at = (name: string, index: number): Pod =>
    ({
      metadata: {
        name,
        uid: name,
        creationTimestamp: new Date(START).toISOString(),
        annotations: { [COMPLETION_INDEX]: String(index) },
        finalizers: [TRACKING_FINALIZER],
      },
      status: { phase: 'Running' },
    }) as unknown as Pod
  const of = job({ completionMode: 'Indexed', completions: 3, parallelism: 2 })
  const plan = planJob({ job: of, pods: [at('a', 0), at('b', 0), at('c', 1), at('d', 2)], nowMs: START, ends: [] })
  assert.deepEqual(plan.discard.map(indexOf), [0, 2])
})

test('once there is what the Job needs, pods that are sent away are not failures', () => {
  const conditions = [{ type: 'SuccessCriteriaMet', status: 'True', reason: 'SuccessPolicy', message: 'm' }]
  const of = { ...job({ completionMode: 'Indexed', completions: 2 }), status: { conditions } }
  const leaving = {
    metadata: { name: 'p', uid: 'u', finalizers: [TRACKING_FINALIZER], deletionTimestamp: new Date(START).toISOString() },
    status: { phase: 'Running' },
  } as unknown as Pod
  const plan = planJob({ job: of, pods: [leaving], nowMs: START, ends: [] })
  assert.deepEqual([plan.untrack, plan.status.failed], [[leaving], undefined])
})
