import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bandwidthOf, shapePlan } from './bandwidth.ts'

test('annotations', () => {
  assert.equal(bandwidthOf(undefined), undefined)
  assert.equal(bandwidthOf({ other: '1M' }), undefined)
  assert.deepEqual(bandwidthOf({ 'kubernetes.io/ingress-bandwidth': '10M' }), { ingressBitsPerSecond: 10_000_000 })
  assert.deepEqual(bandwidthOf({ 'kubernetes.io/ingress-bandwidth': '1Mi', 'kubernetes.io/egress-bandwidth': '2k' }), {
    ingressBitsPerSecond: 1_048_576,
    egressBitsPerSecond: 2_000,
  })
  assert.throws(() => bandwidthOf({ 'kubernetes.io/egress-bandwidth': '10' }), /unreasonably small/)
  assert.throws(() => bandwidthOf({ 'kubernetes.io/egress-bandwidth': '10P' }), /unreasonably large/)
  assert.throws(() => bandwidthOf({ 'kubernetes.io/egress-bandwidth': 'fast' }), /quantities must match/)
})

test('to the pod on one end of its link, from it on the other', () => {
  const { node, pod } = shapePlan('pod0af40005', { ingressBitsPerSecond: 8_000_000, egressBitsPerSecond: 800_000_000 })
  assert.equal(node?.join(' '), 'qdisc replace dev pod0af40005 root tbf rate 8000000bit burst 65536b latency 25ms')
  assert.equal(pod?.join(' '), 'qdisc replace dev eth0 root tbf rate 800000000bit burst 5000000b latency 25ms')
  assert.deepEqual(Object.keys(shapePlan('x', { egressBitsPerSecond: 8_000 })), ['pod'])
})
