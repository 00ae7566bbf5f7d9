import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, MetricSpec } from '../../api/kinds/autoscaling/v2.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { pace, type ScalingMemory } from './behavior.ts'
import { MetricError, propose } from './replicaCalculator.ts'

const NOW = Date.UTC(2026, 0, 1, 1)

function pod(name: string, facts: { ready?: boolean; request?: string; phase?: string } = {}): Pod {
  const { ready = true, request = '100m', phase = 'Running' } = facts
  return {
    metadata: { name, namespace: 'ns', uid: name, resourceVersion: '1', creationTimestamp: '' },
    spec: { containers: [{ name: 'c', resources: { requests: { cpu: request } } }] },
    status: {
      phase,
      startTime: '2026-01-01T00:00:00Z',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:00:10Z' }],
    },
  }
}
const utilization = (percent: number): MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } },
})
const usage = (name: string, cpu: string) => ({ metadata: { name }, containers: [{ name: 'c', usage: { cpu } }] })

function replicas(percent: number, pods: Pod[], metrics: ReturnType<typeof usage>[]): number {
  return propose(utilization(percent), { pods, metrics, currentReplicas: pods.length, nowMs: NOW }).replicas
}

test('replicas follow the utilization', () => {
  const two = [pod('a'), pod('b')]
  const cases: [string, number, Pod[], ReturnType<typeof usage>[], number][] = [
    ['above the target', 50, two, [usage('a', '100m'), usage('b', '100m')], 4],
    ['below the target', 80, two, [usage('a', '20m'), usage('b', '20m')], 1],
    ['close to the target', 50, two, [usage('a', '52m'), usage('b', '52m')], 2],
    ['a pod without metrics counts as idle when scaling up', 50, two, [usage('a', '100m')], 2],
    ['and as fully used when scaling down', 50, two, [usage('a', '10m')], 2],
    ['a pending pod counts as idle', 50, [pod('a'), pod('b', { phase: 'Pending' })], [usage('a', '150m')], 3],
  ]
  for (const [name, percent, pods, metrics, expected] of cases) assert.equal(replicas(percent, pods, metrics), expected, name)
})

test('what the status shows, and what fails', () => {
  const input = { pods: [pod('a'), pod('b')], metrics: [usage('a', '100m'), usage('b', '50m')], currentReplicas: 2, nowMs: NOW }
  assert.deepEqual(propose(utilization(50), input).status.resource?.current, { averageValue: '75m', averageUtilization: 75 })
  const { request: _, ...bare } = { request: '', ...pod('a') }
  const without = { ...bare, spec: { containers: [{ name: 'c' }] } }
  assert.throws(
    () => propose(utilization(50), { ...input, pods: [without] }),
    (error: unknown) => error instanceof MetricError && /missing request for cpu in container c of Pod a/.test(error.message),
  )
  assert.throws(() => propose(utilization(50), { ...input, metrics: [] }), MetricError)
})

const NOTHING: ScalingMemory = { recommendations: [], events: [] }

function autoscaler(behavior: HorizontalPodAutoscalerBehavior = {}, minReplicas = 1, maxReplicas = 20): HorizontalPodAutoscaler {
  return {
    metadata: { name: 'h', namespace: 'ns', uid: 'h', resourceVersion: '1', creationTimestamp: '' },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'd' }, minReplicas, maxReplicas, behavior },
  }
}

test('the pace', () => {
  const seen = (value: number, agoSeconds: number): ScalingMemory => ({
    ...NOTHING,
    recommendations: [{ replicas: value, atMs: NOW - agoSeconds * 1_000 }],
  })
  const slow = { scaleDown: { stabilizationWindowSeconds: 0, policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } }
  const cases: [string, HorizontalPodAutoscaler, number, number, ScalingMemory, number, string][] = [
    ['up by four or double', autoscaler(), 3, 15, NOTHING, 7, 'ScaleUpLimit'],
    ['up within the limit', autoscaler(), 3, 5, NOTHING, 5, 'DesiredWithinRange'],
    ['up to the most', autoscaler({}, 1, 6), 3, 15, NOTHING, 6, 'TooManyReplicas'],
    ['what came up lately counts', autoscaler(), 7, 15, { ...NOTHING, events: [{ change: 4, atMs: NOW - 5_000 }] }, 7, 'ScaleUpLimit'],
    ['down at once where nothing higher was asked lately', autoscaler(), 8, 2, NOTHING, 2, 'DesiredWithinRange'],
    ['not below what was asked in the window', autoscaler(), 8, 2, seen(6, 100), 6, 'DesiredWithinRange'],
    ['the window ends', autoscaler(), 8, 2, seen(6, 301), 2, 'DesiredWithinRange'],
    ['down to the least', autoscaler({}, 3), 8, 1, NOTHING, 3, 'TooFewReplicas'],
    ['down by the policy', autoscaler(slow), 8, 2, NOTHING, 7, 'ScaleDownLimit'],
    ['never down', autoscaler({ scaleDown: { selectPolicy: 'Disabled' } }), 8, 2, NOTHING, 8, 'ScaleDownLimit'],
  ]
  for (const [name, subject, current, desired, memory, expected, why] of cases) {
    const { replicas: paced, limitedBy } = pace(subject, current, desired, memory, NOW)
    assert.deepEqual([paced, limitedBy], [expected, why], name)
  }
})
