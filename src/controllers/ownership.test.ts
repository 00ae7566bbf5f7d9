import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../api/resource.ts'
import { planClaims } from './ownership.ts'
import { OwnWrites } from './ownWrites.ts'

function object(name: string, facts: { owner?: string; app?: string; deleting?: boolean } = {}): KubeObject {
  const { owner, app = 'web', deleting } = facts
  return {
    metadata: {
      name,
      uid: name,
      resourceVersion: '1',
      creationTimestamp: '',
      labels: { app },
      ...(deleting && { deletionTimestamp: 'x' }),
      ...(owner && { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true }] }),
    },
  }
}

test('who belongs to an owner', () => {
  const candidates = [
    object('mine', { owner: 'me' }),
    object('strayed', { owner: 'me', app: 'other' }),
    object('theirs', { owner: 'them' }),
    object('orphan'),
    object('leaving orphan', { deleting: true }),
    object('foreign', { app: 'other' }),
  ]
  const names = (owner: KubeObject): Record<string, string[]> =>
    Object.fromEntries(
      Object.entries(planClaims(owner, { matchLabels: { app: 'web' } }, candidates)).map(([what, list]) => [
        what,
        list.map((o: KubeObject) => o.metadata.name),
      ]),
    )
  assert.deepEqual(names(object('me')), { owned: ['mine'], adopt: ['orphan'], release: ['strayed'] })
  assert.deepEqual(names(object('me', { deleting: true })), { owned: ['mine'], adopt: [], release: [] })
})

test('a cache has seen a write once it has reached its revision', () => {
  const writes = new OwnWrites()
  const at = (resourceVersion: string) => ({ resourceVersion })
  assert.equal(writes.seenBy('k', at('')), true)
  writes.wrote('k', { metadata: { resourceVersion: '12' } })
  writes.wrote('k', { metadata: { resourceVersion: '9' } })
  writes.wrote('k', undefined)
  assert.deepEqual(
    ['', '9', '11', '12'].map((revision) => writes.seenBy('k', at(revision))),
    [false, false, false, true],
  )
})
