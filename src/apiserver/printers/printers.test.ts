import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import type { KubeObject } from '../../api/resource.ts'
import { printerOf } from './printers.ts'
import { tableOf } from './table.ts'

const NOW = Date.UTC(2026, 0, 1)
const catalog = loadCatalog()

function row(group: string, version: string, resource: string, object: object): Record<string, unknown> {
  const found = catalog.resource(group, version, resource)
  assert.ok(found)
  const given = { apiVersion: group ? `${group}/${version}` : version, kind: found.kind, metadata: { name: 'x' }, ...object }
  const { columns, cells } = printerOf(found, found.kind)
  const values = cells(given as unknown as KubeObject, NOW)
  return Object.fromEntries(columns.map(({ name }, i) => [name, values[i]]))
}

test('every kind has a table whose first column names the object, also the empty one of a bookmark', () => {
  for (const { name: group, versions } of catalog.groups) {
    for (const version of versions) {
      for (const resource of catalog.resources(group, version)) {
        const { columns, cells } = printerOf(resource, resource.kind)
        const nameAt = columns.findIndex(({ name, format }) => name === 'Name' && format === 'name')
        assert.ok(nameAt >= 0, resource.resource)
        const empty = { apiVersion: '', kind: resource.kind, metadata: {}, spec: {}, status: {} } as unknown as KubeObject
        assert.equal(cells(empty, NOW)[nameAt], '', resource.resource)
      }
    }
  }
})

test('the bookmark that ends the initial events keeps its annotation, whatever of objects is asked for', () => {
  const resource = catalog.resource('', 'v1', 'pods')
  assert.ok(resource)
  const rowObjects = (annotations: Record<string, string>): unknown[] => {
    const objects = [{ kind: 'Pod', apiVersion: 'v1', metadata: { annotations } } as unknown as KubeObject]
    const options = { resource, objects, list: false, metadata: {}, nowMs: NOW, apiVersion: 'meta.k8s.io/v1' }
    return (tableOf({ ...options, includeObject: 'None' }) as { rows: { object: unknown }[] }).rows.map(({ object }) => object)
  }
  assert.deepEqual(rowObjects({ other: 'true' }), [null])
  const marks = { 'k8s.io/initial-events-end': 'true' }
  assert.deepEqual(rowObjects(marks), [{ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: { annotations: marks } }])
})

const rule = (host?: string) => ({ ...(host && { host }) })
const ports = (...names: (string | number)[]) => names.map((p) => (typeof p === 'number' ? { port: p } : { name: p }))
const current = (value: object) => ({ type: 'External', external: { current: value } })
const external = (target: object) => [{ type: 'External', external: { metric: { name: 'm' }, target } }]

const cases: readonly [group: string, version: string, resource: string, object: object, cells: Record<string, unknown>][] = [
  ['networking.k8s.io', 'v1', 'ingresses', { spec: { rules: [rule(), rule()] } }, { Hosts: '*', Ports: '80' }],
  ['networking.k8s.io', 'v1', 'ingresses', { spec: { rules: ['a', 'a', 'a'].map(rule), tls: [{}] } }, { Hosts: 'a,a,a', Ports: '80, 443' }],
  [
    'networking.k8s.io',
    'v1',
    'ingresses',
    { spec: { rules: ['a', undefined, 'b', 'c', undefined].map(rule) } },
    { Hosts: 'a,b,c + 2 more...' },
  ],
  ['discovery.k8s.io', 'v1', 'endpointslices', {}, { Ports: '<unset>', Endpoints: '<unset>' }],
  ['discovery.k8s.io', 'v1', 'endpointslices', { ports: ports(1, 'n', 3, 4) }, { Ports: '1,n,3 + 1 more...' }],
  ['', 'v1', 'endpoints', { subsets: [{ addresses: [{ ip: 'fd00::1' }], ports: [{ port: 1 }] }] }, { Endpoints: '[fd00::1]:1' }],
  ['', 'v1', 'services', { spec: { type: 'LoadBalancer' } }, { 'External-IP': '<pending>', 'Port(s)': '<none>' }],
  [
    'autoscaling',
    'v2',
    'horizontalpodautoscalers',
    { spec: { metrics: external({ value: '7' }) }, status: { currentMetrics: [current({ averageValue: '1' })] } },
    { Targets: '<nil>/7' },
  ],
  [
    'autoscaling',
    'v2',
    'horizontalpodautoscalers',
    { spec: { metrics: external({ averageValue: '7' }) } },
    { Targets: '<unknown>/7 (avg)' },
  ],
  [
    'admissionregistration.k8s.io',
    'v1',
    'validatingadmissionpolicybindings',
    {
      spec: {
        paramRef: { selector: { matchLabels: { b: '1', a: '2' }, matchExpressions: [{ key: 'c', operator: 'In', values: ['x', 'y'] }] } },
      },
    },
    {
      ParamRef:
        '&LabelSelector{MatchLabels:map[string]string{a: 2,b: 1,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:c,Operator:In,Values:[x y],},},}',
    },
  ],
  ['resource.k8s.io', 'v1', 'resourceclaims', { metadata: { name: 'x', deletionTimestamp: 'now' } }, { State: 'deleted' }],
  ['resource.k8s.io', 'v1', 'resourceclaims', { status: { allocation: {}, reservedFor: [{}] } }, { State: 'allocated,reserved' }],
  ['batch', 'v1', 'jobs', { spec: { parallelism: 3 } }, { Completions: '0/1 of 3', Status: 'Running', Duration: '' }],
]

for (const [group, version, resource, object, expected] of cases) {
  test(`${resource}: ${JSON.stringify(expected)}`, () => {
    const shown = row(group, version, resource, object)
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((column) => [column, shown[column]])), expected)
  })
}
