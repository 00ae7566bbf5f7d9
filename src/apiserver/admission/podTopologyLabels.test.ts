import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../../api/kinds/core/v1.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionRequest } from './admission.ts'
import { createPodTopologyLabels } from './podTopologyLabels.ts'

const NODE = {
  metadata: { name: 'n', labels: { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r', other: 'x' } },
} as unknown as Node
const reader = { get: (_: unknown, __: string, name: string) => (name === 'n' ? NODE : undefined) } as unknown as ObjectReader
const PLACE = { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r' }

async function labelsAfter(object: object, subresource = '', operation = 'CREATE'): Promise<unknown> {
  const request = { operation, resource: { group: '', resource: 'pods' }, subresource, object } as unknown as AdmissionRequest
  await createPodTopologyLabels(reader).admit?.(request)
  return (request.object as { metadata: { labels?: object } }).metadata.labels
}

test('what is given a node is labelled with its place', async () => {
  const binding = (kind: string, name: string) => ({ metadata: { labels: { a: 'b' } }, target: { kind, name } })
  assert.deepEqual(await labelsAfter(binding('Node', 'n'), 'binding'), { a: 'b', ...PLACE })
  assert.deepEqual(await labelsAfter(binding('Node', 'unknown'), 'binding'), { a: 'b' })
  assert.deepEqual(await labelsAfter(binding('', 'n'), 'binding'), { a: 'b' })
  assert.deepEqual(await labelsAfter({ metadata: {}, spec: { nodeName: 'n' } }), PLACE)
  assert.equal(await labelsAfter({ metadata: {}, spec: {} }), undefined)
  assert.equal(await labelsAfter({ metadata: {}, spec: { nodeName: 'n' } }, '', 'UPDATE'), undefined)
})
