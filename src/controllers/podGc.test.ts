import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, Pod } from '../api/kinds/core/v1.ts'
import { planPodGc } from './podGc.ts'

function pod(name: string, facts: { node?: string; phase?: string; deleting?: boolean; age?: number } = {}): Pod {
  const { node, phase = 'Running', deleting, age = 0 } = facts
  return {
    metadata: {
      name,
      namespace: 'ns',
      uid: name,
      resourceVersion: '1',
      creationTimestamp: `2026-01-01T00:00:${59 - age}Z`,
      ...(deleting && { deletionTimestamp: 'x' }),
    },
    spec: { containers: [], ...(node && { nodeName: node }) },
    status: { phase },
  }
}

const node = (name: string, ready: string, ...taints: string[]): Node => ({
  metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '' },
  spec: { taints: taints.map((key) => ({ key, effect: 'NoExecute' })) },
  status: { conditions: [{ type: 'Ready', status: ready }] },
})
const OUT = 'node.kubernetes.io/out-of-service'
const NODES = new Map(
  [node('n', 'True'), node('out', 'False', OUT), node('back', 'True', OUT), node('lost', 'Unknown', 'x')].map((n) => [n.metadata.name, n]),
)

test('what is collected', () => {
  const all = [
    pod('fine', { node: 'n' }),
    pod('waiting'),
    pod('stray', { node: 'gone' }),
    pod('never placed', { deleting: true }),
    pod('left behind', { node: 'out', deleting: true }),
    pod('to be moved', { node: 'out' }),
    pod('ends by itself', { node: 'back', deleting: true }),
    pod('held up', { node: 'lost', deleting: true }),
    pod('young', { node: 'n', phase: 'Succeeded' }),
    pod('old', { node: 'n', phase: 'Failed', age: 30 }),
  ]
  const names = Object.fromEntries(
    Object.entries(planPodGc(all, (name) => NODES.get(name), 1)).map(([what, list]) => [what, list.map((p: Pod) => p.metadata.name)]),
  )
  assert.deepEqual(names, { finished: ['old'], outOfService: ['left behind'], unscheduled: ['never placed'], stray: ['stray'] })
})

test('of finished pods the evicted go first, then the oldest, then by name', () => {
  const evicted = pod('evicted', { node: 'n', phase: 'Failed' })
  const all = [
    pod('b', { node: 'n', phase: 'Failed' }),
    pod('a', { node: 'n', phase: 'Failed' }),
    pod('old', { node: 'n', phase: 'Succeeded', age: 9 }),
    { ...evicted, status: { ...evicted.status, reason: 'Evicted' } },
  ]
  const { finished } = planPodGc(all, (name) => NODES.get(name), 1)
  assert.deepEqual(
    finished.map(({ metadata }) => metadata.name),
    ['evicted', 'old', 'a'],
  )
})
