import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  validateDaemonSet,
  validateDeployment,
  validateDeploymentUpdate,
  validateReplicaSet,
  validateStatefulSet,
  validateStatefulSetUpdate,
} from './apps.ts'
import { validateCronJob, validateJob, validateJobChange } from './batch.ts'
import type { DaemonSet, Deployment, DeploymentSpec, ReplicaSet, StatefulSet, StatefulSetSpec } from '../kinds/apps/v1.ts'
import type { CronJob, Job, JobSpec } from '../kinds/batch/v1.ts'
import type { Container, PodTemplateSpec } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const metadata = { name: 'n', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' }
const container: Container = { name: 'c', image: 'i', imagePullPolicy: 'Always', terminationMessagePolicy: 'File', resources: {} }
const podSpec = { containers: [container], restartPolicy: 'Always', dnsPolicy: 'ClusterFirst', terminationGracePeriodSeconds: 30 }
const template: PodTemplateSpec = { metadata: { labels: { a: 'b' } }, spec: podSpec }
const selector = { matchLabels: { a: 'b' } }
const told = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`)
const first = (errors: readonly FieldError[]): string => told(errors)[0] ?? 'nothing'

test('deployments', () => {
  const base: DeploymentSpec = {
    replicas: 1,
    selector,
    template,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    progressDeadlineSeconds: 600,
  }
  const make = (changes: Partial<DeploymentSpec>): Deployment => ({ metadata, spec: { ...base, ...changes } })
  assert.deepEqual(told(validateDeployment(make({}))), [])
  const table: [Partial<DeploymentSpec>, RegExp][] = [
    [{ replicas: -1 }, /^spec\.replicas: Invalid value: -1: must be greater than or equal to 0$/],
    [{ selector: {} }, /^spec\.selector: Invalid value: .*empty selector is invalid for deployment$/],
    [
      { selector: { matchLabels: { a: 'c' } } },
      /^spec\.template\.metadata\.labels: Invalid value: \{"a":"b"\}: `selector` does not match template `labels`$/,
    ],
    [
      { template: { ...template, spec: { ...podSpec, restartPolicy: 'Never' } } },
      /^spec\.template\.spec\.restartPolicy: Unsupported value: "Never": supported values: "Always"$/,
    ],
    [
      { strategy: { type: 'Recreate', rollingUpdate: {} } },
      /^spec\.strategy\.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'$/,
    ],
    [
      { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } },
      /maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0$/,
    ],
    [{ minReadySeconds: 600 }, /^spec\.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds$/],
  ]
  for (const [changes, expected] of table) assert.match(first(validateDeployment(make(changes))), expected)
  const other = { matchLabels: { a: 'b', c: 'd' } }
  const labelled = { ...template, metadata: { labels: other.matchLabels } }
  assert.match(
    first(validateDeploymentUpdate(make({ selector: other, template: labelled }), make({}))),
    /^spec\.selector: Invalid value: .*field is immutable$/,
  )
})

test('replica sets and daemon sets', () => {
  assert.deepEqual(told(validateReplicaSet({ metadata, spec: { replicas: 1, selector, template } } as ReplicaSet)), [])
  const daemons = (rollingUpdate: object): DaemonSet => ({
    metadata,
    spec: { selector, template, revisionHistoryLimit: 10, updateStrategy: { type: 'RollingUpdate', rollingUpdate } },
  })
  assert.deepEqual(told(validateDaemonSet(daemons({ maxUnavailable: 1, maxSurge: 0 }))), [])
  assert.match(first(validateDaemonSet(daemons({ maxUnavailable: 1, maxSurge: 1 }))), /may not be set when maxUnavailable is non-zero$/)
})

test('stateful sets', () => {
  const base: StatefulSetSpec = {
    replicas: 1,
    selector,
    template,
    serviceName: 's',
    podManagementPolicy: 'OrderedReady',
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
  }
  const make = (changes: Partial<StatefulSetSpec>): StatefulSet => ({ metadata, spec: { ...base, ...changes } })
  assert.deepEqual(told(validateStatefulSet(make({}))), [])
  assert.match(first(validateStatefulSet(make({ podManagementPolicy: 'X' }))), /^spec\.podManagementPolicy: Invalid value: "X"/)
  assert.deepEqual(told(validateStatefulSetUpdate(make({ replicas: 3 }), make({}))), [])
  assert.match(
    first(validateStatefulSetUpdate(make({ serviceName: 't' }), make({}))),
    /^spec: Forbidden: updates to statefulset spec for fields other than/,
  )
})

const labels = { 'batch.kubernetes.io/controller-uid': 'u', 'controller-uid': 'u', 'batch.kubernetes.io/job-name': 'n', 'job-name': 'n' }
const jobTemplate: PodTemplateSpec = { metadata: { labels }, spec: { ...podSpec, restartPolicy: 'Never' } }
const jobSpec: JobSpec = {
  completions: 1,
  parallelism: 1,
  backoffLimit: 6,
  completionMode: 'NonIndexed',
  selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } },
  template: jobTemplate,
}

test('jobs', () => {
  const make = (changes: Partial<JobSpec>): Job => ({ metadata, spec: { ...jobSpec, ...changes } })
  assert.deepEqual(told(validateJob(make({}))), [])
  const table: [Partial<JobSpec>, RegExp][] = [
    [{ parallelism: -1 }, /^spec\.parallelism: Invalid value: -1: must be greater than or equal to 0$/],
    [{ completionMode: 'X' }, /^spec\.completionMode: Unsupported value: "X"/],
    [{ completionMode: 'Indexed', completions: undefined }, /^spec\.completions: Required value: when completion mode is Indexed$/],
    [
      { template: { ...jobTemplate, spec: podSpec } },
      /^spec\.template\.spec\.restartPolicy: Required value: valid values: "OnFailure", "Never"$/,
    ],
    [{ maxFailedIndexes: 1 }, /^spec\.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified$/],
  ]
  for (const [changes, expected] of table) assert.match(first(validateJob(make(changes))), expected)
  assert.deepEqual(told(validateJobChange(make({ parallelism: 3 }), make({}))), [])
  assert.match(first(validateJobChange(make({ completions: 3 }), make({}))), /^spec\.completions: Invalid value: 3: field is immutable/)
})

test('cron jobs', () => {
  const make = (schedule: string, timeZone?: string): CronJob => ({
    metadata,
    spec: {
      schedule,
      concurrencyPolicy: 'Allow',
      jobTemplate: { spec: { template: { spec: { ...podSpec, restartPolicy: 'Never' } } } },
      ...(timeZone !== undefined && { timeZone }),
    },
  })
  assert.deepEqual(told(validateCronJob(make('* * * * *', 'Europe/Berlin'))), [])
  assert.deepEqual(told(validateCronJob(make('* * * * *', 'US/Eastern'))), [])
  for (const zone of ['europe/berlin', 'us/eastern'])
    assert.deepEqual(told(validateCronJob(make('* * * * *', zone))), [`spec.timeZone: Invalid value: "${zone}": unknown time zone ${zone}`])
  assert.match(first(validateCronJob(make(''))), /^spec\.schedule: Required value$/)
  assert.match(first(validateCronJob(make('* * * *'))), /^spec\.schedule: Invalid value: "\* \* \* \*": expected exactly 5 fields, found 4/)
  assert.match(
    first(validateCronJob(make('* * * * *', 'Nowhere/Land'))),
    /^spec\.timeZone: Invalid value: "Nowhere\/Land": unknown time zone Nowhere\/Land$/,
  )
})

test("a job's template is told by Go's names where it may not change", () => {
  const job: Job = {
    metadata,
    spec: { manualSelector: true, selector, template: { ...template, spec: { ...podSpec, restartPolicy: 'Never' } } },
  }
  const other: Job = {
    metadata,
    spec: { ...job.spec, template: { ...job.spec.template, spec: { ...podSpec, restartPolicy: 'OnFailure', hostPID: true } } },
  }
  const [error = ''] = told(validateJobChange(other, job)).filter((text) => text.startsWith('spec.template:'))
  assert.match(
    error,
    /^spec\.template: Invalid value: \{"labels":\{"a":"b"\},"Spec":\{"Volumes":null,"InitContainers":null,"Containers":\[\{"Name":"c","Image":"i",/,
  )
  assert.match(error, /"SecurityContext":\{"HostNetwork":false,"HostPID":true,"HostIPC":false,"ShareProcessNamespace":null,/)
  assert.match(error, /: field is immutable$/)
})
