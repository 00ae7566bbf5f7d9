import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateJobStatusUpdate } from './jobStatus.ts'
import { validateDeploymentStatusUpdate, validateReplicaSetStatusUpdate } from './workloadStatus.ts'
import type { Deployment, ReplicaSet } from '../kinds/apps/v1.ts'
import type { Job, JobSpec, JobStatus } from '../kinds/batch/v1.ts'

const START = '2026-01-01T00:00:00Z'
const END = '2026-01-01T00:01:00Z'
const jobWith = (status: JobStatus, spec: Partial<JobSpec> = {}): Job => ({ spec: { completions: 5, ...spec }, status }) as Job
const conditions = (...types: string[]): JobStatus => ({ conditions: types.map((type) => ({ type, status: 'True' })) })
const done: JobStatus = { ...conditions('SuccessCriteriaMet', 'Complete'), startTime: START, completionTime: END, succeeded: 5 }

function told(next: JobStatus, old: JobStatus, spec?: Partial<JobSpec>): string[] {
  return validateJobStatusUpdate(jobWith(next, spec), jobWith(old, spec)).map(({ field, message }) => `${field}: ${message}`)
}

test('what a job may say of itself', () => {
  assert.deepEqual(told(done, { startTime: START, active: 1 }), [])
  assert.deepEqual(told({ ...conditions('FailureTarget', 'Failed'), startTime: START }, { startTime: START }), [])
  assert.deepEqual(told({ completedIndexes: '0-2,4', failedIndexes: '3' }, {}, { completionMode: 'Indexed', backoffLimitPerIndex: 1 }), [])
})

test('what it may not', () => {
  const table: [next: JobStatus, old: JobStatus, expected: string, spec?: Partial<JobSpec>][] = [
    [{ active: -1 }, {}, 'status.active: Invalid value: -1: must be greater than or equal to 0'],
    [{ ready: 2, active: 1 }, {}, 'status.ready: Invalid value: 2: cannot set more ready pods than active'],
    [{ failed: 1 }, { failed: 2 }, 'status.failed: Invalid value: 1: cannot decrease the failed counter'],
    [{ ...done, active: 1 }, done, 'status.active: Invalid value: 1: active>0 is invalid for finished job'],
    [
      { completionTime: END },
      {},
      `status.completionTime: Invalid value: "${END}": cannot set completionTime when there is no Complete=True condition`,
    ],
    [
      { ...conditions('Failed'), startTime: START },
      {},
      'status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition',
    ],
    [{ ...conditions('FailureTarget', 'Failed') }, {}, 'status.startTime: Required value: startTime is required for finished job'],
    [
      { completedIndexes: '7' },
      {},
      'status.completedIndexes: Invalid value: "7": error parsing completedIndexes: too large index: "7"',
      { completionMode: 'Indexed' },
    ],
    [
      { uncountedTerminatedPods: { succeeded: ['a'], failed: ['a'] } },
      {},
      'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
    ],
    [
      { completedIndexes: '0-3', failedIndexes: '2' },
      {},
      'status.failedIndexes: Invalid value: "2": failedIndexes and completedIndexes overlap at index: 2',
      { completionMode: 'Indexed', backoffLimitPerIndex: 1 },
    ],
    [{}, { startTime: START }, 'status.startTime: Invalid value: null: field is immutable for unsuspended job once set'],
  ]
  for (const [next, old, expected, spec] of table) assert.deepEqual(told(next, old, spec), [expected])
})

test('what was wrong already may stay', () => {
  const broken = { ...conditions('Failed'), completedIndexes: '9' }
  assert.deepEqual(told({ ...broken, failed: 1 }, broken), [])
})

test('a finished job stays finished', () => {
  assert.deepEqual(told({ startTime: START, completionTime: END, succeeded: 5 }, done), [
    `status.completionTime: Invalid value: "${END}": cannot set completionTime when there is no Complete=True condition`,
    'status.conditions: Invalid value: cannot disable the terminal Complete=True condition',
    'status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition',
  ])
})

test('counts of replicas', () => {
  const set = (status: object): ReplicaSet => ({ status }) as ReplicaSet
  const deployment = (status: object): Deployment => ({ status }) as Deployment
  assert.deepEqual(validateReplicaSetStatusUpdate(set({ replicas: 2, readyReplicas: 2, availableReplicas: 1 }), set({ replicas: 0 })), [])
  const errors = validateReplicaSetStatusUpdate(set({ replicas: 1, readyReplicas: 0, availableReplicas: 2 }), set({ replicas: 0 }))
  assert.deepEqual(
    errors.map(({ message }) => message),
    ['Invalid value: 2: cannot be greater than status.replicas', 'Invalid value: 2: cannot be greater than readyReplicas'],
  )
  assert.equal(
    validateDeploymentStatusUpdate(deployment({ collisionCount: -1 }), deployment({})).length,
    1,
    'negative, yet not decremented',
  )
  const [decremented] = validateDeploymentStatusUpdate(deployment({}), deployment({ collisionCount: 1 }))
  assert.deepEqual(decremented, {
    type: 'FieldValueInvalid',
    field: 'status.collisionCount',
    message: 'Invalid value: 0: cannot be decremented',
  })
})
