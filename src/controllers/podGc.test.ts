import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../api/kinds/core/v1.ts'
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

test('what is collected', () => {
  const all = [
    pod('fine', { node: 'n' }),
    pod('waiting'),
    pod('stray', { node: 'gone' }),
    pod('never placed', { deleting: true }),
    pod('young', { node: 'n', phase: 'Succeeded' }),
    pod('old', { node: 'n', phase: 'Failed', age: 30 }),
  ]
  const names = Object.fromEntries(
    Object.entries(planPodGc(all, (name) => name === 'n', 1)).map(([what, list]) => [what, list.map((p: Pod) => p.metadata.name)]),
  )
  assert.deepEqual(names, { finished: ['old'], unscheduled: ['never placed'], stray: ['stray'] })
})
