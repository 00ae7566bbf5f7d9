import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CatalogResource } from '../catalog/catalog.ts'
import { loadCatalog } from '../catalog/load.ts'
import { normalize } from '../codec/json.ts'
import { convert, needsConversion } from './convert.ts'

const catalog = loadCatalog({ preReleases: true })
const resource = (group: string, version: string, name: string): CatalogResource =>
  catalog.resource(group, version, name) as CatalogResource
const v1 = resource('autoscaling', 'v1', 'horizontalpodautoscalers')
const v2 = resource('autoscaling', 'v2', 'horizontalpodautoscalers')
const coreEvents = resource('', 'v1', 'events')
const events = resource('events.k8s.io', 'v1', 'events')

const scaleTargetRef = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }

test('an autoscaler of v1 has a CPU metric in v2, and back', () => {
  const old = normalize(
    {
      kind: v1.kind,
      apiVersion: 'autoscaling/v1',
      metadata: { name: 'h' },
      spec: { scaleTargetRef, minReplicas: 1, maxReplicas: 3, targetCPUUtilizationPercentage: 50 },
      status: { currentReplicas: 1, desiredReplicas: 2, currentCPUUtilizationPercentage: 40 },
    },
    v1.type,
  )
  const next = convert<Record<string, unknown>>(old, v1, v2)
  assert.equal(next['apiVersion'], 'autoscaling/v2')
  assert.deepEqual((next['spec'] as { metrics: unknown }).metrics, [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
  ])
  const back = convert<{ metadata: { annotations?: object }; spec: object }>(next, v2, v1)
  assert.deepEqual(back.spec, old.spec)
})

test('what v1 cannot say travels in annotations', () => {
  const metrics = [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } } },
    { type: 'Pods', pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '10' } } },
    {
      type: 'Object',
      object: {
        describedObject: scaleTargetRef,
        target: { type: 'Value', value: '2k' },
        metric: { name: 'x', selector: { matchLabels: { a: 'b' } } },
      },
    },
    { type: 'External', external: { metric: { name: 'q' }, target: { type: 'AverageValue', averageValue: '5' } } },
    {
      type: 'ContainerResource',
      containerResource: { name: 'memory', container: 'c', target: { type: 'Utilization', averageUtilization: 70 } },
    },
  ]
  const behavior = {
    scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }] },
  }
  const conditions = [{ type: 'AbleToScale', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'R' }]
  const object = normalize(
    {
      metadata: { name: 'h', annotations: { own: 'x' } },
      spec: { scaleTargetRef, minReplicas: 1, maxReplicas: 3, metrics, behavior },
      status: { currentReplicas: 1, desiredReplicas: 1, conditions, currentMetrics: null },
    },
    v2.type,
  )
  const old = convert<{ metadata: { annotations: Record<string, string> }; spec: Record<string, unknown> }>(object, v2, v1)
  assert.equal(old.spec['targetCPUUtilizationPercentage'], 60)
  assert.equal(
    old.metadata.annotations['autoscaling.alpha.kubernetes.io/behavior'],
    '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null},"ScaleDown":null}',
  )
  assert.match(
    old.metadata.annotations['autoscaling.alpha.kubernetes.io/metrics'] ?? '',
    /^\[\{"type":"Pods","pods":\{"metricName":"rps","targetAverageValue":"10"\}\}/,
  )
  const back = convert<{ metadata: unknown; spec: { metrics: unknown[]; behavior: unknown }; status: { conditions: unknown } }>(old, v1, v2)
  assert.deepEqual(back.metadata, { name: 'h', annotations: { own: 'x' } })
  assert.deepEqual(new Set(back.spec.metrics.map((m) => JSON.stringify(m))), new Set(object.spec.metrics.map((m) => JSON.stringify(m))))
  assert.deepEqual(back.spec.behavior, behavior)
  assert.deepEqual(back.status.conditions, conditions)
})

test('an event under its two names', () => {
  const event = normalize(
    {
      kind: 'Event',
      apiVersion: 'v1',
      metadata: { name: 'e', namespace: 'n' },
      involvedObject: { kind: 'Pod', name: 'p' },
      reason: 'R',
      message: 'm',
      source: { component: 'c' },
      count: 2,
      type: 'Normal',
      firstTimestamp: '2026-01-01T00:00:00Z',
    },
    coreEvents.type,
  )
  const next = convert<Record<string, unknown>>(event, coreEvents, events)
  assert.deepEqual(next, {
    kind: 'Event',
    apiVersion: 'events.k8s.io/v1',
    metadata: { name: 'e', namespace: 'n' },
    eventTime: null,
    reason: 'R',
    regarding: { kind: 'Pod', name: 'p' },
    note: 'm',
    type: 'Normal',
    deprecatedSource: { component: 'c' },
    deprecatedFirstTimestamp: '2026-01-01T00:00:00Z',
    deprecatedLastTimestamp: null,
    deprecatedCount: 2,
  })
  assert.deepEqual(convert(next, events, coreEvents), event)
})

test('other kinds change their apiVersion only', () => {
  const [stable, beta] = [resource('networking.k8s.io', 'v1', 'ipaddresses'), resource('networking.k8s.io', 'v1beta1', 'ipaddresses')]
  assert.equal(needsConversion('IPAddress', stable, beta), false)
  assert.equal(needsConversion('Event', coreEvents, events), true)
  const object = { kind: 'IPAddress', apiVersion: 'networking.k8s.io/v1', metadata: { name: '1.2.3.4' }, spec: {} }
  assert.deepEqual(convert(object, stable, beta), { ...object, apiVersion: 'networking.k8s.io/v1beta1' })
  assert.equal(convert(object, stable, stable), object)
})
