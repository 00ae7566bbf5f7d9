import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateHorizontalPodAutoscaler } from './autoscaling.ts'
import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec } from '../kinds/autoscaling/v2.ts'

const metadata = { name: 'n', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' }
const base: HorizontalPodAutoscalerSpec = { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } }
const make = (changes: Partial<HorizontalPodAutoscalerSpec>): HorizontalPodAutoscaler => ({ metadata, spec: { ...base, ...changes } })
const told = (changes: Partial<HorizontalPodAutoscalerSpec>, old?: HorizontalPodAutoscaler): string[] =>
  validateHorizontalPodAutoscaler(make(changes), old).map(({ field, message }) => `${field}: ${message}`)
const ofMetric = (metric: object): string[] => told({ metrics: [metric as MetricSpec] })

test('what is scaled has a group', () => {
  const reference = (apiVersion: string): Partial<HorizontalPodAutoscalerSpec> => ({
    scaleTargetRef: { ...base.scaleTargetRef, apiVersion },
  })
  assert.deepEqual(told({}), [])
  assert.deepEqual(told(reference('v1')), ['spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group'])
  assert.deepEqual(told(reference('a/b/c')), [
    'spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
  ])
  assert.deepEqual(told(reference('v1'), make(reference('v1'))), [], 'what was stored without one may stay')
  assert.equal(told(reference('v1'), make(reference('v2'))).length, 1, 'but not become another one')
  const controller = { ...base.scaleTargetRef, kind: 'ReplicationController', apiVersion: 'v1' }
  assert.deepEqual(told({ scaleTargetRef: controller }), [])
})

test('numbers of replicas', () => {
  assert.deepEqual(told({ maxReplicas: 0 }), ['spec.maxReplicas: Required value: must be set and greater than 0'])
  assert.deepEqual(told({ minReplicas: 0 }), [
    'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1',
    'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
  ])
  assert.deepEqual(told({ minReplicas: 5 }), ['spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`'])
})

test('metrics', () => {
  const target = { type: 'Value', value: '1' }
  const table: [object, string[]][] = [
    [
      { type: 'x' },
      [
        'spec.metrics[0].type: Unsupported value: "x": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
        'spec.metrics[0].type: Unsupported value: "x": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
      ],
    ],
    [{ type: 'Pods' }, ['spec.metrics[0].pods: Required value: must populate information for the given metric source']],
    [
      { type: 'External', external: { metric: { name: 'm' }, target: { ...target, averageValue: '1' } } },
      ['spec.metrics[0].external.target.value: Forbidden: may not set both a target value for metric and a per-pod target'],
    ],
    [
      {
        type: 'ContainerResource',
        containerResource: { name: 'gpu', container: 'c', target: { type: 'AverageValue', averageValue: '1' } },
      },
      [
        'spec.metrics[0].containerResource.name: Invalid value: "gpu": must be a standard resource type or fully qualified',
        'spec.metrics[0].containerResource.name: Invalid value: "gpu": must be a standard resource for containers',
      ],
    ],
    [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 5 } }, pods: {} },
      [
        'spec.metrics[0].pods.metric.name: Required value: must specify a metric name',
        'spec.metrics[0].pods.target.type: Required value: must specify a metric target type',
        'spec.metrics[0].pods.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
        'spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue',
        'spec.metrics[0].pods: Forbidden: must populate the given metric source only',
      ],
    ],
  ]
  for (const [metric, errors] of table) assert.deepEqual(ofMetric(metric), errors)
})
