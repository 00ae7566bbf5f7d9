import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, Service } from '../api/kinds/core/v1.ts'
import type { EndpointSlice } from '../api/kinds/discovery/v1.ts'
import { announcingNode } from './announcers.ts'

const META = { uid: 'u', resourceVersion: '1', creationTimestamp: '' }

function node(name: string, labels: Record<string, string> = {}, ready = 'True'): Node {
  return { metadata: { ...META, name, labels }, spec: {}, status: { conditions: [{ type: 'Ready', status: ready }] } }
}
const first = node('z', { 'node-role.kubernetes.io/control-plane': '' })
const all = [node('b'), first, node('a')]
const service = (externalTrafficPolicy: string): Service => ({
  metadata: { ...META, name: 's', namespace: 'n' },
  spec: { type: 'LoadBalancer', externalTrafficPolicy },
})
const on = (...names: string[]): EndpointSlice[] =>
  names.map((name, i) => ({
    metadata: { ...META, name: `s-${i}`, namespace: 'n' },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], nodeName: name.replace('?', ''), conditions: { ready: !name.endsWith('?') } }],
  }))
const EXCLUDED = { 'node.kubernetes.io/exclude-from-external-load-balancers': '' }

const CASES: readonly (readonly [name: string, policy: string, slices: EndpointSlice[], nodes: Node[], expected: string | undefined])[] = [
  ['the first node, wherever the endpoints are', 'Cluster', on('a'), all, 'z'],
  ['the first node, if it has endpoints', 'Local', on('a', 'z'), all, 'z'],
  ['a node that has endpoints', 'Local', on('b', 'a'), all, 'a'],
  ['only endpoints that are ready count', 'Local', on('a?', 'b'), all, 'b'],
  ['nobody has any', 'Local', [], all, 'z'],
  ['a node that is not ready is passed over', 'Local', on('a', 'b'), [first, node('a', {}, 'Unknown'), node('b')], 'b'],
  ['a node that is excluded as well', 'Local', on('a', 'b'), [first, node('a', EXCLUDED), node('b')], 'b'],
  ['all are gone: the first, as it comes back first', 'Cluster', [], [node('a', {}, 'False'), { ...first, status: {} }], 'z'],
  ['there is no node', 'Cluster', [], [], undefined],
]
for (const [name, policy, slices, nodes, expected] of CASES)
  test(`who answers for an address: ${name}`, () => assert.equal(announcingNode(service(policy), slices, nodes), expected))
