import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, NodeSelectorTerm } from './kinds/core/v1.ts'
import { matchesNodeSelectorTerm, matchesRequiredNodeAffinity } from './nodeSelector.ts'

const node: Node = {
  metadata: {
    name: 'n',
    uid: 'u',
    resourceVersion: '1',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { disk: 'ssd', gen: '9', big: '9007199254740993', empty: '' },
  },
  spec: {},
}

const expression = (key: string, operator: string, ...values: string[]): NodeSelectorTerm => ({
  matchExpressions: [{ key, operator, ...(values.length > 0 && { values }) }],
})

const CASES: readonly [string, NodeSelectorTerm, boolean][] = [
  ['nothing asked for', {}, false],
  ['In', expression('disk', 'In', 'hdd', 'ssd'), true],
  ['In, without the label', expression('zone', 'In', 'a'), false],
  ['NotIn', expression('disk', 'NotIn', 'ssd'), false],
  ['NotIn, without the label', expression('zone', 'NotIn', 'a'), true],
  ['Exists', expression('empty', 'Exists'), true],
  ['DoesNotExist', expression('disk', 'DoesNotExist'), false],
  ['Gt', expression('gen', 'Gt', '8'), true],
  ['Gt, compared as numbers', expression('gen', 'Gt', '10'), false],
  ['Gt, beyond what a double tells apart', expression('big', 'Gt', '9007199254740992'), true],
  ['Lt', expression('gen', 'Lt', '10'), true],
  ['Lt of an empty label, which is no number', expression('empty', 'Lt', '5'), false],
  ['Gt of a label that is no number', expression('disk', 'Gt', '1'), false],
  ['Gt without a bound', expression('gen', 'Gt'), false],
  ['an operator from the future', expression('gen', 'Near', '9'), false],
  ['a key that every object has', expression('constructor', 'Exists'), false],
  ['by name', { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] }, true],
  [
    'by name and label',
    { ...expression('disk', 'In', 'hdd'), matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] },
    false,
  ],
]

for (const [what, term, expected] of CASES)
  test(`node selector term: ${what}`, () => assert.equal(matchesNodeSelectorTerm(term, node), expected))

test('node selector and affinity must both admit the node; one of several terms is enough', () => {
  const affinity = (...terms: NodeSelectorTerm[]) => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
  })
  assert.equal(matchesRequiredNodeAffinity(undefined, node), true)
  assert.equal(matchesRequiredNodeAffinity({ nodeSelector: { disk: 'ssd' } }, node), true)
  assert.equal(matchesRequiredNodeAffinity(affinity({}, expression('gen', 'Exists')), node), true)
  assert.equal(matchesRequiredNodeAffinity({ nodeSelector: { disk: 'hdd' }, ...affinity(expression('gen', 'Exists')) }, node), false)
})
