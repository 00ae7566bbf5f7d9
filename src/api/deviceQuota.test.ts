import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resourceClaimUsage, type ClaimSurroundings } from './deviceQuota.ts'
import type { Pod } from './kinds/core/v1.ts'
import type { DeviceRequest, ResourceClaim } from './kinds/resource/v1.ts'
import { formatQuantity } from './quantity.ts'

const metadata = { name: 'c', namespace: 'ns', uid: 'c', resourceVersion: '1', creationTimestamp: '' }
const pod: Pod = {
  metadata: { ...metadata, name: 'p', uid: 'p' },
  spec: { containers: [{ name: 'c', resources: { requests: { 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '1' } } }] },
}
const surroundings: ClaimSurroundings = {
  extendedResourceOf: (deviceClass) => (deviceClass === 'gold' ? 'example.com/gpu' : undefined),
  podOf: (_, name) => (name === 'p' ? pod : undefined),
}

function counts(requests: DeviceRequest[], more: Partial<ResourceClaim['metadata']> = {}): Record<string, string> {
  const usage = resourceClaimUsage({ metadata: { ...metadata, ...more }, spec: { devices: { requests } } }, surroundings)
  return Object.fromEntries(Object.entries(usage).map(([name, value]) => [name, formatQuantity(value)]))
}
const exactly = (deviceClassName: string, count?: number): DeviceRequest => ({
  name: 'r',
  exactly: { deviceClassName, ...(count && { allocationMode: 'ExactCount', count }) },
})
const COUNT = { 'count/resourceclaims.resource.k8s.io': '1' }

test('devices by their class', () => {
  assert.deepEqual(counts([exactly('a', 2), exactly('a', 1), exactly('b')]), {
    ...COUNT,
    'a.deviceclass.resource.k8s.io/devices': '3',
    'b.deviceclass.resource.k8s.io/devices': '1',
  })
  const all: DeviceRequest = { name: 'r', exactly: { deviceClassName: 'a', allocationMode: 'All' } }
  assert.equal(counts([all])['a.deviceclass.resource.k8s.io/devices'], '32')
})

test('of alternatives the most of each class', () => {
  const alternative = (deviceClassName: string, count: number) => ({ name: 'x', deviceClassName, allocationMode: 'ExactCount', count })
  const request: DeviceRequest = { name: 'r', firstAvailable: [alternative('a', 1), alternative('a', 3), alternative('b', 2)] }
  assert.deepEqual(counts([request]), {
    ...COUNT,
    'a.deviceclass.resource.k8s.io/devices': '3',
    'b.deviceclass.resource.k8s.io/devices': '2',
  })
})

test('devices that are extended resources as well count as those, but for what their pod counts for', () => {
  const asExtended = { 'requests.deviceclass.resource.kubernetes.io/gold': '2' }
  const gold = { ...COUNT, 'gold.deviceclass.resource.k8s.io/devices': '2', ...asExtended }
  assert.deepEqual(counts([exactly('gold', 2)]), { ...gold, 'requests.example.com/gpu': '2' })
  const annotations = { 'resource.kubernetes.io/extended-resource-claim': 'true' }
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'p', controller: true }]
  assert.deepEqual(counts([exactly('gold', 2)], { annotations, ownerReferences }), { ...gold, 'requests.example.com/gpu': '1' })
  const others = [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'other', controller: true }]
  assert.equal(counts([exactly('gold', 2)], { annotations, ownerReferences: others })['requests.example.com/gpu'], '2')
})
