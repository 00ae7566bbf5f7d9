import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configmaps } from '../../api/kinds/core/v1.ts'
import type { KubeObject } from '../../api/resource.ts'
import { OwnerGraph } from './graph.ts'
import { FOREGROUND, planGarbage, waitsForItself, type OwnerState } from './plan.ts'

function object(uid: string, owners: string[], more: Partial<KubeObject['metadata']> = {}): KubeObject {
  const ownerReferences = owners.map((owner) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: owner,
    uid: owner,
    blockOwnerDeletion: true,
  }))
  return { metadata: { name: uid, uid, namespace: 'ns', resourceVersion: '1', creationTimestamp: '', ownerReferences, ...more } }
}

test('an object goes with its last owner', () => {
  const cases: [string, Record<string, OwnerState>, Partial<KubeObject['metadata']>, boolean, object][] = [
    ['no owners', {}, {}, false, { action: 'keep' }],
    ['owner there', { a: 'there' }, {}, false, { action: 'keep' }],
    ['owner gone', { a: 'gone' }, {}, false, { action: 'delete', policy: 'Background' }],
    ['owner of a kind that nobody serves', { a: 'unknown' }, {}, false, { action: 'keep' }],
    ['one such owner, the other gone', { a: 'unknown', b: 'gone' }, {}, false, { action: 'keep' }],
    ['owner gone, already leaving', { a: 'gone' }, { deletionTimestamp: 'x' }, false, { action: 'keep' }],
    ['owner waits', { a: 'waiting' }, {}, false, { action: 'delete', policy: 'Background' }],
    ['owner waits, with dependents', { a: 'waiting' }, {}, true, { action: 'delete', policy: 'Foreground' }],
    ['orphan finalizer', { a: 'gone' }, { finalizers: ['orphan'] }, false, { action: 'delete', policy: 'Orphan' }],
  ]
  for (const [name, states, metadata, hasDependents, expected] of cases) {
    const subject = object('x', Object.keys(states), metadata)
    assert.deepEqual(planGarbage(subject, new Map(Object.entries(states)), hasDependents), expected, name)
  }
})

test('with one owner left the others are forgotten', () => {
  const plan = planGarbage(
    object('x', ['a', 'b', 'c']),
    new Map<string, OwnerState>([
      ['a', 'gone'],
      ['b', 'there'],
      ['c', 'waiting'],
    ]),
    true,
  )
  assert.deepEqual(plan.action === 'forgetOwners' && plan.keep.map((owner) => owner.uid), ['b'])
})

test('the graph knows dependents of owners that are not there, and follows changes of ownership', () => {
  const graph = new OwnerGraph()
  graph.put(configmaps, object('x', ['a']))
  graph.put(configmaps, object('y', ['a', 'b']))
  const dependents = (uid: string): string[] => graph.dependentsOf(uid).map((node) => node.object.metadata.uid)
  assert.deepEqual([dependents('a'), dependents('b')], [['x', 'y'], ['y']])
  graph.put(configmaps, object('y', ['b']))
  graph.remove('x')
  assert.deepEqual([dependents('a'), dependents('b')], [[], ['y']])
})

test('an object waits for itself where a circle of waiting objects hold each other up', () => {
  const waiting = { deletionTimestamp: 'x', finalizers: [FOREGROUND] }
  const cases: [string, KubeObject[], string[]][] = [
    ['a circle', [object('a', ['c'], waiting), object('b', ['a'], waiting), object('c', ['b'], waiting)], ['a', 'b', 'c']],
    ['of itself', [object('a', ['a'], waiting)], ['a']],
    ['one does not wait yet', [object('a', ['b'], waiting), object('b', ['a'])], []],
    ['a chain', [object('a', [], waiting), object('b', ['a'], waiting)], []],
    ['beside a circle', [object('a', ['b'], waiting), object('b', ['a'], waiting), object('c', ['a'], waiting)], ['a', 'b']],
    ['one holds nobody up', [object('a', ['b'], waiting), unblocking(object('b', ['a'], waiting))], []],
  ]
  for (const [name, objects, expected] of cases) {
    const graph = new OwnerGraph()
    for (const each of objects) graph.put(configmaps, each)
    const dependentsOf = (uid: string): KubeObject[] => graph.dependentsOf(uid).map((node) => node.object)
    const found = objects.filter((each) => waitsForItself(each, dependentsOf)).map((each) => each.metadata.uid)
    assert.deepEqual(found, expected, name)
  }
})

function unblocking(given: KubeObject): KubeObject {
  const ownerReferences = (given.metadata.ownerReferences ?? []).map((owner) => ({ ...owner, blockOwnerDeletion: false }))
  return { ...given, metadata: { ...given.metadata, ownerReferences } }
}
