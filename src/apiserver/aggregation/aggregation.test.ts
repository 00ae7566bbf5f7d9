import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { APIService } from '../../api/kinds/apiregistration/v1.ts'
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import type { Service } from '../../api/kinds/core/v1.ts'
import type { EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { loadCatalog } from '../../api/catalog/load.ts'
import { localApiServices } from '../bootstrap/apiServices.ts'
import { compareVersions, orderGroups } from './apiServices.ts'
import { serviceFault } from './availability.ts'
import { mergeGroups } from './groups.ts'
import { wantedApiServices } from './registration.ts'
import { aggregatedResources } from './remoteDiscovery.ts'

const apiService = (group: string, version: string, groupPriorityMinimum: number, versionPriority: number): APIService =>
  ({ metadata: { name: `${version}.${group}` }, spec: { group, version, groupPriorityMinimum, versionPriority } }) as APIService

test('versions: stable before beta before alpha, newer first, others last by name', () => {
  const sorted = ['v1alpha1', 'foo1', 'v1', 'v1beta2', 'v11', 'v2', 'v2beta1', 'v10beta3', 'bar', 'v3beta1'].sort(compareVersions)
  assert.deepEqual(sorted, ['v11', 'v2', 'v1', 'v10beta3', 'v3beta1', 'v2beta1', 'v1beta2', 'v1alpha1', 'bar', 'foo1'])
})

test('groups by their highest priority, then by name; versions by theirs', () => {
  const ordered = orderGroups([
    apiService('b.example', 'v1', 1000, 10),
    apiService('a.example', 'v1', 1000, 10),
    apiService('z.example', 'v1beta1', 10, 10),
    apiService('z.example', 'v2', 5000, 10),
    apiService('z.example', 'v1', 20, 20),
  ])
  assert.deepEqual(ordered, [
    { name: 'z.example', versions: ['v1', 'v2', 'v1beta1'] },
    { name: 'a.example', versions: ['v1'] },
    { name: 'b.example', versions: ['v1'] },
  ])
})

test('the built-in groups come in the order that they always had', () => {
  const catalog = loadCatalog()
  const services = localApiServices(catalog, '2026-01-01T00:00:00Z') as unknown as APIService[]
  assert.deepEqual(
    mergeGroups(catalog.groups, services, () => undefined),
    catalog.groups.map(({ name, versions }) => ({ name, versions: versions.map((version) => ({ version })) })),
  )
})

test('a remote version stands where its priority puts it; an APIService that nobody serves is not shown', () => {
  const remote = { resources: [], freshness: 'Stale' as const }
  const merged = mergeGroups(
    [{ name: 'own.example', versions: ['v1'] }],
    [apiService('far.example', 'v1', 2000, 10), apiService('own.example', 'v1', 1000, 10), apiService('gone.example', 'v1', 1500, 1)],
    (group) => (group === 'far.example' ? remote : undefined),
  )
  assert.deepEqual(merged, [
    { name: 'far.example', versions: [{ version: 'v1', remote }] },
    { name: 'own.example', versions: [{ version: 'v1' }] },
  ])
})

test('what a service lacks', () => {
  const at = { namespace: 'ns', name: 's', port: 443 }
  const service = (type: string, port: number) => ({ spec: { type, ports: [{ name: 'https', port }] } }) as unknown as Service
  const slice = (ready: boolean, name = 'https') =>
    ({ ports: [{ name, port: 8443 }], endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready } }] }) as unknown as EndpointSlice
  const cases: [Service | undefined, EndpointSlice[], string | undefined][] = [
    [undefined, [], 'ServiceNotFound'],
    [service('ClusterIP', 444), [], 'ServicePortError'],
    [service('ClusterIP', 443), [], 'EndpointsNotFound'],
    [service('ClusterIP', 443), [slice(false)], 'MissingEndpoints'],
    [service('ClusterIP', 443), [slice(true, 'other')], 'MissingEndpoints'],
    [service('ClusterIP', 443), [slice(false), slice(true)], undefined],
    [service('ExternalName', 1), [], undefined],
  ]
  for (const [found, slices, reason] of cases) assert.equal(serviceFault(at, found, slices)?.reason, reason)
})

test('definitions ask for an APIService for each version that they serve', () => {
  const definition = {
    spec: {
      group: 'g.example',
      versions: [
        { name: 'v1', served: true },
        { name: 'v0', served: false },
      ],
    },
  }
  assert.deepEqual(
    [...wantedApiServices([definition as unknown as CustomResourceDefinition])],
    [['v1.g.example', { group: 'g.example', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 100 }]],
  )
})

test('plain discovery as the aggregated form has it', () => {
  const rows = [
    { name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', verbs: ['get'], shortNames: ['fl'] },
    { name: 'flunders/status', namespaced: true, kind: 'Flunder', verbs: ['update'] },
  ]
  const kind = { group: '', version: '', kind: 'Flunder' }
  assert.deepEqual(aggregatedResources(rows), [
    {
      resource: 'flunders',
      responseKind: kind,
      scope: 'Namespaced',
      singularResource: 'flunder',
      verbs: ['get'],
      shortNames: ['fl'],
      subresources: [{ subresource: 'status', responseKind: kind, verbs: ['update'] }],
    },
  ])
})
