import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../../api/kinds/core/v1.ts'
import { plannedRoutes, routeChanges } from './nodeRoutes.ts'

const node = (name: string, podCIDRs: string[], ...addresses: string[]): Node => ({
  metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { podCIDRs },
  status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
})

test('the ranges of the other nodes, by addresses of the same family', () => {
  const all = [
    node('a', ['10.244.0.0/24'], '192.168.0.2'),
    node('b', ['10.244.1.0/24', 'fd00:1::/64'], '192.168.0.3', 'fd01::3'),
    node('c', [], '192.168.0.4'),
    node('d', ['10.244.3.0/24']),
  ]
  assert.deepEqual(
    [...plannedRoutes(all, 'a')],
    [
      ['10.244.1.0/24', '192.168.0.3'],
      ['fd00:1::/64', 'fd01::3'],
    ],
  )
})

test('only what differs is written', () => {
  const before = new Map([
    ['10.244.1.0/24', '192.168.0.3'],
    ['10.244.2.0/24', '192.168.0.4'],
  ])
  assert.deepEqual(routeChanges(before, before), [])
  assert.deepEqual(routeChanges(before, new Map([['10.244.1.0/24', '192.168.0.9']])), [
    'route del 10.244.2.0/24 proto 201',
    'route replace 10.244.1.0/24 via 192.168.0.9 proto 201',
  ])
})
