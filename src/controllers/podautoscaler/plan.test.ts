import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, MetricSpec } from '../../api/kinds/autoscaling/v2.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { findCondition } from '../../api/meta.ts'
import { pace, withScaleEvent, type ScalingMemory } from './behavior.ts'
import {
  AUTOSCALER_DEFAULTS,
  failedRescale,
  needsMetrics,
  planAutoscaler,
  remembered,
  rescaled,
  type Measured,
  type Observation,
} from './plan.ts'

const NOW = Date.UTC(2026, 0, 1, 1)
const NOTHING: ScalingMemory = { recommendations: [], events: [] }
const EXTERNAL: MetricSpec = { type: 'External', external: { metric: { name: 'q' }, target: { type: 'AverageValue', averageValue: '1' } } }

function autoscaler(
  behavior?: HorizontalPodAutoscalerBehavior,
  minReplicas = 1,
  maxReplicas = 20,
  metrics = [EXTERNAL],
): HorizontalPodAutoscaler {
  return {
    metadata: { name: 'h', namespace: 'ns', uid: 'h', resourceVersion: '1', creationTimestamp: '' },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'd' }, minReplicas, maxReplicas, metrics, ...(behavior && { behavior }) },
  }
}

const recommended = (value: number, agoSeconds: number): ScalingMemory => ({
  ...NOTHING,
  recommendations: [{ replicas: value, atMs: NOW - agoSeconds * 1_000 }],
})
const scaled = (change: number, agoSeconds: number): ScalingMemory => ({ ...NOTHING, events: [{ change, atMs: NOW - agoSeconds * 1_000 }] })

test('the pace', () => {
  const slow = { scaleDown: { stabilizationWindowSeconds: 0, policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } }
  const two = [
    { type: 'Pods', value: 2, periodSeconds: 60 },
    { type: 'Percent', value: 50, periodSeconds: 60 },
  ]
  const up = (selectPolicy: string) => autoscaler({ scaleUp: { selectPolicy, policies: two } })
  const down = (selectPolicy: string) => autoscaler({ scaleDown: { selectPolicy, stabilizationWindowSeconds: 0, policies: two } })
  const late = autoscaler({ scaleUp: { stabilizationWindowSeconds: 60 } })
  const cases: [string, HorizontalPodAutoscaler, number, number, ScalingMemory, number, string, string][] = [
    ['double, or four', autoscaler(), 1, 15, NOTHING, 4, 'ScaleUpLimit', 'ReadyForNewScale'],
    ['double', autoscaler(), 3, 15, NOTHING, 6, 'ScaleUpLimit', 'ReadyForNewScale'],
    ['up within the limit', autoscaler(), 3, 5, NOTHING, 5, 'DesiredWithinRange', 'ReadyForNewScale'],
    ['up to the most', autoscaler(undefined, 1, 5), 3, 15, NOTHING, 5, 'TooManyReplicas', 'ReadyForNewScale'],
    ['down at once where nothing higher was asked lately', autoscaler(), 8, 2, NOTHING, 2, 'DesiredWithinRange', 'ReadyForNewScale'],
    ['not below what was asked in the window', autoscaler(), 8, 2, recommended(6, 100), 6, 'DesiredWithinRange', 'ScaleDownStabilized'],
    ['the window ends', autoscaler(), 8, 2, recommended(6, 301), 2, 'DesiredWithinRange', 'ReadyForNewScale'],
    ['down to the least', autoscaler(undefined, 3), 8, 1, NOTHING, 3, 'TooFewReplicas', 'ReadyForNewScale'],
    ['with a behavior, up by four or double', autoscaler({}), 3, 15, NOTHING, 7, 'ScaleUpLimit', 'ReadyForNewScale'],
    ['what came up lately counts', autoscaler({}), 7, 15, scaled(4, 5), 7, 'ScaleUpLimit', 'ReadyForNewScale'],
    ['what went down lately counts the other way', autoscaler({}), 7, 15, scaled(-3, 5), 15, 'DesiredWithinRange', 'ReadyForNewScale'],
    ['the larger of two policies', up('Max'), 10, 20, NOTHING, 15, 'ScaleUpLimit', 'ReadyForNewScale'],
    ['the smaller of two policies', up('Min'), 10, 20, NOTHING, 12, 'ScaleUpLimit', 'ReadyForNewScale'],
    ['never up', up('Disabled'), 10, 20, NOTHING, 10, 'ScaleUpLimit', 'ReadyForNewScale'],
    ['down by the larger policy', down('Max'), 10, 1, NOTHING, 5, 'ScaleDownLimit', 'ReadyForNewScale'],
    ['down by the smaller policy', down('Min'), 10, 1, NOTHING, 8, 'ScaleDownLimit', 'ReadyForNewScale'],
    ['up only to what was asked all the time', late, 3, 6, recommended(4, 30), 4, 'DesiredWithinRange', 'ScaleUpStabilized'],
    ['the window for going up ends', late, 3, 6, recommended(4, 61), 6, 'DesiredWithinRange', 'ReadyForNewScale'],
    ['the usual window for going down', autoscaler({}), 8, 2, recommended(6, 100), 6, 'DesiredWithinRange', 'ScaleDownStabilized'],
    ['down by the policy', autoscaler(slow), 8, 2, NOTHING, 7, 'ScaleDownLimit', 'ReadyForNewScale'],
    ['never down', autoscaler({ scaleDown: { selectPolicy: 'Disabled' } }), 8, 2, NOTHING, 8, 'ScaleDownLimit', 'ReadyForNewScale'],
  ]
  for (const [name, subject, current, desired, memory, expected, why, stabilized] of cases) {
    const minReplicas = subject.spec.minReplicas ?? 1
    const paced = pace(subject, { current, desired, minReplicas, memory, nowMs: NOW, downscaleStabilizationMs: 300_000 })
    assert.deepEqual([paced.replicas, paced.limited.reason, paced.stabilized.reason], [expected, why, stabilized], name)
    assert.equal(paced.isLimited, why !== 'DesiredWithinRange', name)
  }
})

test('events that no policy looks back to are forgotten', () => {
  const events = [
    { change: 1, atMs: NOW - 70_000 },
    { change: 2, atMs: NOW - 20_000 },
  ]
  const policies = [{ type: 'Pods', value: 1, periodSeconds: 60 }]
  const event = { change: -1, atMs: NOW }
  assert.deepEqual(withScaleEvent(autoscaler({ scaleUp: { policies } }), events, event), [events[1], event])
  assert.deepEqual(withScaleEvent(autoscaler(), events, event), [])
})

const POD: Pod = {
  metadata: { name: 'p', namespace: 'ns', uid: 'p', resourceVersion: '1', creationTimestamp: '' },
  spec: { containers: [{ name: 'c' }] },
}
const measured = (...samples: Measured['samples']): Measured => ({ selector: { ok: true }, pods: [POD], samples })

function observe(subject: HorizontalPodAutoscaler, specReplicas: number, seen?: Measured, memory = NOTHING): Observation {
  return { autoscaler: subject, scale: { specReplicas, statusReplicas: specReplicas, selector: 'a=b' }, measured: seen, memory, nowMs: NOW }
}
const reasons = ({ status }: ReturnType<typeof planAutoscaler>): string[] =>
  (status.conditions ?? []).map(({ type, status: value, reason }) => `${type}=${value} ${reason}`)

test('the bounds need no metrics', () => {
  const subject = autoscaler(undefined, 2, 5)
  assert.deepEqual(
    [0, 1, 2, 5, 6].map((replicas) => needsMetrics(subject, replicas)),
    [false, false, true, true, false],
  )
  const above = planAutoscaler(observe(subject, 9), AUTOSCALER_DEFAULTS)
  assert.deepEqual(above.rescale, { replicas: 5, reason: 'Current number of replicas above Spec.MaxReplicas' })
  const below = planAutoscaler(observe(subject, 1), AUTOSCALER_DEFAULTS)
  assert.deepEqual(below.rescale, { replicas: 2, reason: 'Current number of replicas below Spec.MinReplicas' })
  const off = planAutoscaler(observe(subject, 0), AUTOSCALER_DEFAULTS)
  assert.equal(off.rescale, undefined)
  assert.deepEqual(reasons(off), ['AbleToScale=True SucceededGetScale', 'ScalingActive=False ScalingDisabled'])
})

test('up by a metric', () => {
  const observation = observe(autoscaler(), 3, measured({ value: 5_000 }))
  const plan = planAutoscaler(observation, AUTOSCALER_DEFAULTS)
  assert.deepEqual(plan.rescale, { replicas: 5, reason: 'external metric q(nil) above target' })
  assert.deepEqual(reasons(plan), [
    'AbleToScale=True ReadyForNewScale',
    'ScalingActive=True ValidMetricFound',
    'ScalingLimited=False DesiredWithinRange',
  ])
  assert.deepEqual(plan.status.currentMetrics, [
    { type: 'External', external: { metric: { name: 'q' }, current: { averageValue: '1667m' } } },
  ])
  const status = rescaled(plan, 5, NOW)
  assert.equal(findCondition(status.conditions, 'AbleToScale')?.message, 'the HPA controller was able to update the target scale to 5')
  assert.deepEqual([status.currentReplicas, status.desiredReplicas, status.lastScaleTime], [3, 5, '2026-01-01T01:00:00Z'])
  const failed = failedRescale(observation.autoscaler, plan, 'no', NOW)
  assert.equal(findCondition(failed.conditions, 'AbleToScale')?.reason, 'FailedUpdateScale')
  assert.deepEqual([failed.desiredReplicas, failed.lastScaleTime], [0, undefined])
})

test('down only after the window, from what was seen first', () => {
  const first = observe(autoscaler(), 6, measured({ value: 2_000 }))
  const plan = planAutoscaler(first, AUTOSCALER_DEFAULTS)
  assert.equal(plan.rescale, undefined)
  assert.ok(reasons(plan).includes('AbleToScale=True ScaleDownStabilized'))
  const later = { ...first, memory: remembered(first, plan, false), nowMs: NOW + 301_000 }
  assert.deepEqual(planAutoscaler(later, AUTOSCALER_DEFAULTS).rescale, { replicas: 2, reason: 'All metrics below target' })
})

test('a metric that cannot be had lets the others raise the number, not lower it', () => {
  const subject = autoscaler(undefined, 1, 20, [EXTERNAL, EXTERNAL])
  const up = planAutoscaler(observe(subject, 3, measured({ error: 'gone' }, { value: 5_000 })), AUTOSCALER_DEFAULTS)
  assert.equal(up.rescale?.replicas, 5)
  const down = planAutoscaler(observe(subject, 3, measured({ value: 1_000 }, { error: 'gone' })), AUTOSCALER_DEFAULTS)
  assert.equal(down.rescale, undefined)
  assert.equal(findCondition(down.status.conditions, 'ScalingActive')?.reason, 'FailedGetExternalMetric')
  assert.deepEqual(down.warnings, [
    { reason: 'FailedGetExternalMetric', message: 'unable to get external metric ns/q/nil: gone' },
    {
      reason: 'FailedComputeMetricsReplicas',
      message:
        'invalid metrics (1 invalid out of 2), first error is: failed to get q external metric value: ' +
        'failed to get q external metric: unable to get external metric ns/q/nil: gone',
    },
  ])
  assert.deepEqual(
    down.status.currentMetrics?.map(({ type }) => type),
    ['External', ''],
  )
})

test('a selector that cannot be used', () => {
  const refused: Measured = {
    selector: { ok: false, event: 'SelectorRequired', reason: 'InvalidSelector', message: 'selector is required', condition: 'none' },
    pods: [],
    samples: [],
  }
  const plan = planAutoscaler(observe(autoscaler(), 3, refused), AUTOSCALER_DEFAULTS)
  assert.deepEqual(
    plan.warnings.map(({ reason }) => reason),
    ['SelectorRequired', 'FailedComputeMetricsReplicas'],
  )
  assert.ok(reasons(plan).includes('ScalingActive=False InvalidSelector'))
})
