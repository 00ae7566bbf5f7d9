import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mirroredMetadata, mirroredSlices, skippedAddresses } from './mirroring.ts'

test('one slice for each subset and family', () => {
  const metadata = { name: 'e', namespace: 'ns', uid: 'e', resourceVersion: '1', creationTimestamp: '' }
  const subsets = [
    { addresses: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }], notReadyAddresses: [{ ip: '10.0.0.2', hostname: 'h' }], ports: [{ port: 80 }] },
    { addresses: [{ ip: '10.0.0.3' }], ports: [{ name: 'x', port: 90, protocol: 'UDP' }] },
  ]
  assert.deepEqual(mirroredSlices({ metadata, subsets }), [
    {
      addressType: 'IPv4',
      ports: [{ name: '', port: 80, protocol: 'TCP' }],
      endpoints: [
        { addresses: ['10.0.0.1'], conditions: { ready: true } },
        { addresses: ['10.0.0.2'], conditions: { ready: false }, hostname: 'h' },
      ],
    },
    {
      addressType: 'IPv6',
      ports: [{ name: '', port: 80, protocol: 'TCP' }],
      endpoints: [{ addresses: ['fd00::1'], conditions: { ready: true } }],
    },
    {
      addressType: 'IPv4',
      ports: [{ name: 'x', port: 90, protocol: 'UDP' }],
      endpoints: [{ addresses: ['10.0.0.3'], conditions: { ready: true } }],
    },
  ])
})

test('what people wrote on the object is on its slices, but for what only tools read there', () => {
  const metadata = {
    name: 'e',
    namespace: 'ns',
    uid: 'u',
    resourceVersion: '1',
    creationTimestamp: '',
    labels: { team: 'a', 'kubernetes.io/service-name': 'other' },
    annotations: {
      note: 'kept',
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
      'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z',
    },
  }
  assert.deepEqual(mirroredMetadata({ metadata }), {
    labels: {
      team: 'a',
      'kubernetes.io/service-name': 'e',
      'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
    },
    annotations: { note: 'kept' },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Endpoints', name: 'e', uid: 'u', controller: true, blockOwnerDeletion: true }],
  })
})

test('addresses beyond the limit of a subset are skipped', () => {
  const addresses = Array.from({ length: 1_010 }, (_, n) => ({ ip: `10.0.${n >> 8}.${n & 255}` }))
  const metadata = { name: 's', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' }
  const object = { metadata, subsets: [{ addresses, ports: [] }, { addresses: addresses.slice(0, 9) }] }
  assert.equal(skippedAddresses(object), 10)
  assert.deepEqual(
    mirroredSlices(object).map(({ endpoints }) => endpoints?.length),
    [1_000, 9],
  )
})
