import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { LostPods } from './lostPods.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const node = (ready: string | undefined): Node => ({
  metadata: { ...META, name: 'n', uid: 'n' },
  spec: {},
  status: { conditions: ready ? [{ type: 'Ready', status: ready }] : [] },
})
const pod = (name: string, nodeName?: string): Pod => ({
  metadata: { ...META, name, namespace: 'ns', uid: name },
  spec: { containers: [], ...(nodeName && { nodeName }) },
})
const came = (lost: LostPods, name: string, at: Node | undefined): string | undefined =>
  lost.arrived({ key: `ns/${name}`, before: pod(name), after: pod(name, 'n') }, () => at)

test('who was on a node that is lost is told so once', () => {
  const lost = new LostPods()
  lost.add('n', [pod('a'), pod('b')])
  assert.deepEqual([...lost.of(node('Unknown'))], ['ns/a', 'ns/b'])
  lost.told('n')
  assert.equal(lost.of(node('Unknown')).size, 0)
})

test('so is who comes to a lost node, or to one that is seen later', () => {
  const lost = new LostPods()
  assert.equal(came(lost, 'a', node('True')), undefined)
  assert.equal(came(lost, 'b', node(undefined)), undefined)
  assert.equal(came(lost, 'c', node('False')), 'n')
  assert.equal(came(lost, 'd', undefined), 'n')
  assert.equal(
    lost.arrived({ key: 'ns/e', before: pod('e', 'n'), after: pod('e', 'n') }, () => node('False')),
    undefined,
  )
  assert.deepEqual([...lost.of(node('Unknown'))], ['ns/c', 'ns/d'])
})

test('a node that is ready again has nobody to tell', () => {
  const lost = new LostPods()
  lost.add('n', [pod('a')])
  assert.equal(lost.of(node('True')).size, 0)
  assert.equal(lost.of(node('Unknown')).size, 0)
})
