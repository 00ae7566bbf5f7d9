import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MetricSpec } from '../../api/kinds/autoscaling/v2.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { describeSelector, propose, type ProposalInput } from './proposals.ts'
import type { PodMetric } from './replicaCalculator.ts'
import type { Sample } from './samples.ts'

const NOW = Date.UTC(2026, 0, 1, 1)
const ago = (seconds: number): string => new Date(NOW - seconds * 1_000).toISOString()

interface PodFacts {
  ready?: boolean
  request?: string
  phase?: string
  startedAgo?: number
  readyAgo?: number
  deleting?: boolean
}

function pod(name: string, facts: PodFacts = {}): Pod {
  const { ready = true, request = '100m', phase = 'Running', startedAgo = 3_600, readyAgo = 3_590, deleting } = facts
  const requests = request ? { requests: { cpu: request, memory: '1Gi' } } : {}
  return {
    metadata: {
      name,
      namespace: 'ns',
      uid: name,
      resourceVersion: '1',
      creationTimestamp: '',
      ...(deleting && { deletionTimestamp: ago(1) }),
    },
    spec: { containers: [{ name: 'c', resources: requests }] },
    status: {
      phase,
      startTime: ago(startedAgo),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: ago(readyAgo) }],
    },
  }
}

/** `seen('a', 100, 'b', 20)`: what each uses, in milli units. */
function seen(usages: Record<string, number>): Sample {
  const metric = (value: number): PodMetric => ({ value, timestampMs: NOW - 5_000, windowMs: 30_000 })
  return { pods: new Map(Object.entries(usages).map(([name, value]) => [name, metric(value)])) }
}

const utilization = (percent: number): MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } },
})
const inputOf = (pods: Pod[], given: Partial<ProposalInput> = {}): ProposalInput => ({
  pods,
  currentReplicas: pods.length,
  statusReplicas: pods.length,
  tolerances: { up: 0.1, down: 0.1 },
  cpuInitializationMs: 300_000,
  initialReadinessDelayMs: 30_000,
  namespace: 'ns',
  nowMs: NOW,
  ...given,
})

function replicas(metric: MetricSpec, sample: Sample, input: ProposalInput): number | string {
  const result = propose(metric, sample, input)
  return 'status' in result ? result.replicas : `${result.reason}: ${result.message}`
}

test('replicas follow the utilization of the CPU', () => {
  const two = [pod('a'), pod('b')]
  const starting = pod('b', { startedAgo: 60, readyAgo: 55, ready: false })
  const justReady = pod('b', { startedAgo: 60, readyAgo: 20 })
  const cases: [string, number, Pod[], Record<string, number>, number][] = [
    ['above the target', 50, two, { a: 100, b: 100 }, 4],
    ['below the target', 80, two, { a: 20, b: 20 }, 1],
    ['close to the target', 50, two, { a: 52, b: 52 }, 2],
    ['a pod without metrics counts as idle when scaling up', 50, two, { a: 100 }, 2],
    ['and as fully used when scaling down', 50, two, { a: 10 }, 2],
    ['or as using the target where that is more', 300, [...two, pod('d')], { a: 10, b: 10 }, 2],
    ['a pending pod counts as idle', 50, [pod('a'), pod('b', { phase: 'Pending' })], { a: 150 }, 3],
    ['an unready pod that starts counts as idle', 50, [pod('a'), starting], { a: 150, b: 500 }, 3],
    ['so does one whose sample is from before it was ready', 50, [pod('a'), justReady], { a: 150, b: 500 }, 3],
    ['unready pods do not hold back a scale down', 80, [pod('a'), starting], { a: 20, b: 500 }, 1],
    ['a pod that was ready once counts', 50, [pod('a'), pod('b', { ready: false, readyAgo: 100 })], { a: 100, b: 100 }, 4],
    ['one that never was does not', 50, [pod('a'), pod('b', { ready: false, readyAgo: 3_590 })], { a: 100, b: 900 }, 2],
    [
      'failed and deleted pods are ignored',
      50,
      [...two, pod('c', { phase: 'Failed' }), pod('d', { deleting: true })],
      { a: 100, b: 100, d: 900 },
      4,
    ],
  ]
  for (const [name, percent, pods, usages, expected] of cases)
    assert.equal(replicas(utilization(percent), seen(usages), inputOf(pods)), expected, name)
})

test('tolerances of the two directions', () => {
  const input = inputOf([pod('a'), pod('b'), pod('c')], { tolerances: { up: 0.5, down: 0 } })
  assert.equal(replicas(utilization(50), seen({ a: 70, b: 70, c: 70 }), input), 3)
  assert.equal(replicas(utilization(50), seen({ a: 30, b: 30, c: 40 }), input), 2)
})

test('what the status shows', () => {
  const input = inputOf([pod('a'), pod('b')])
  const result = propose(utilization(50), seen({ a: 100, b: 50 }), input)
  assert.deepEqual('status' in result && result.status, {
    type: 'Resource',
    resource: { name: 'cpu', current: { averageUtilization: 75, averageValue: '75m' } },
  })
  const memory: MetricSpec = { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } } }
  const gibi = 1024 ** 3 * 1_000
  const large = propose(memory, seen({ a: 2 * gibi, b: 4 * gibi }), input)
  assert.deepEqual('status' in large && [large.replicas, large.name, large.status.resource?.current], [
    6,
    'memory resource',
    { averageValue: '3Gi' },
  ])
})

test('pods, objects and the outside', () => {
  const three = [pod('a'), pod('b'), pod('c')]
  const qps = (averageValue: string): MetricSpec => ({
    type: 'Pods',
    pods: { metric: { name: 'qps' }, target: { type: 'AverageValue', averageValue } },
  })
  const object = (target: object): MetricSpec => ({
    type: 'Object',
    object: {
      metric: { name: 'qps' },
      describedObject: { kind: 'Service', name: 's' },
      target: target as { type: string },
    },
  })
  const external = (target: object): MetricSpec => ({
    type: 'External',
    external: { metric: { name: 'q' }, target: target as { type: string } },
  })
  const cases: [string, MetricSpec, Sample, Partial<ProposalInput>, number][] = [
    ['pods', qps('15'), seen({ a: 20_000, b: 10_000, c: 30_000 }), {}, 4],
    [
      'pods are not judged by their readiness',
      qps('15'),
      seen({ a: 45_000 }),
      { pods: [pod('a', { startedAgo: 10, ready: false })], currentReplicas: 1 },
      3,
    ],
    ['an object', object({ type: 'Value', value: '15' }), { value: 20_000 }, {}, 4],
    ['an object close to its target', object({ type: 'Value', value: '15' }), { value: 15_500 }, {}, 3],
    [
      'only ready pods count',
      object({ type: 'Value', value: '10' }),
      { value: 20_000 },
      { pods: [pod('a'), pod('b', { ready: false })], currentReplicas: 2 },
      2,
    ],
    ['an object, shared', object({ type: 'AverageValue', averageValue: '10' }), { value: 41_000 }, {}, 5],
    ['from nothing', object({ type: 'Value', value: '15' }), { value: 20_000 }, { currentReplicas: 0, pods: [] }, 2],
    ['outside', external({ type: 'Value', value: '6666m' }), { value: 8_600 }, {}, 4],
    ['outside, shared', external({ type: 'AverageValue', averageValue: '2' }), { value: 12_000 }, {}, 6],
  ]
  for (const [name, spec, sample, given, expected] of cases) assert.equal(replicas(spec, sample, inputOf(three, given)), expected, name)
})

test('what fails, in upstream’s words', () => {
  const one = inputOf([pod('a')])
  const container: MetricSpec = {
    type: 'ContainerResource',
    containerResource: { name: 'cpu', container: 'x', target: { type: 'Utilization', averageUtilization: 50 } },
  }
  const pods: MetricSpec = { type: 'Pods', pods: { metric: { name: 'qps' }, target: { type: 'AverageValue', averageValue: '1' } } }
  const outside: MetricSpec = {
    type: 'External',
    external: { metric: { name: 'q', selector: { matchLabels: { b: '2', a: '1' } } }, target: { type: 'Value', value: '1' } },
  }
  const cases: [MetricSpec, Sample, ProposalInput, string][] = [
    [
      utilization(50),
      { error: 'gone' },
      one,
      'FailedGetResourceMetric: failed to get cpu utilization: unable to get metrics for resource cpu: gone',
    ],
    [
      utilization(50),
      seen({ a: 1 }),
      inputOf([]),
      'FailedGetResourceMetric: failed to get cpu utilization: no pods returned by selector while calculating replica count',
    ],
    [
      utilization(50),
      seen({}),
      one,
      'FailedGetResourceMetric: failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)',
    ],
    [
      utilization(50),
      seen({ a: 1 }),
      inputOf([pod('a', { request: '' })]),
      'FailedGetResourceMetric: failed to get cpu utilization: missing request for cpu in container c of Pod a',
    ],
    [container, seen({ a: 1 }), one, 'FailedGetContainerResourceMetric: failed to get cpu utilization: container x not found in Pod a'],
    [pods, { error: 'no' }, one, 'FailedGetPodsMetric: unable to get metric qps: no'],
    [
      outside,
      { error: 'no' },
      one,
      'FailedGetExternalMetric: unable to get external metric ns/q/&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{},}: no',
    ],
  ]
  for (const [spec, sample, input, expected] of cases) assert.equal(replicas(spec, sample, input), expected)
  assert.equal(describeSelector(undefined), 'nil')
})
