import assert from 'node:assert/strict'
import { test } from 'node:test'
import { daemonsets, type ControllerRevision } from '../api/kinds/apps/v1.ts'
import { expiredOldRevisions, expiredRevisions, planHistory, templateOf, type HistoryOwner } from './history.ts'
import type { PodTemplateSpec } from '../api/kinds/core/v1.ts'

const META = { name: 'd', namespace: 'n', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const template = (image: string): PodTemplateSpec => ({
  spec: { restartPolicy: 'Always', containers: [{ name: 'c', image }] },
  metadata: { labels: { b: '2', a: '1' } } as NonNullable<PodTemplateSpec['metadata']>,
})
const owner = (image: string): HistoryOwner => ({
  object: { metadata: META },
  resource: daemonsets,
  template: template(image),
  hashLabel: 'controller-revision-hash',
  collisionCount: undefined,
})

function created(image: string, revisions: ControllerRevision[]): ControllerRevision {
  const plan = planHistory(owner(image), revisions)
  assert.ok(plan.action === 'create')
  return { ...plan.draft, metadata: { ...META, ...plan.draft.metadata } } as ControllerRevision
}

test('a revision holds the template with sorted keys, as clients write it to compare', () => {
  const { data, revision } = created('x', [])
  const expected =
    '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"1","b":"2"}},' +
    '"spec":{"containers":[{"image":"x","name":"c"}],"restartPolicy":"Always"}}}}'
  assert.equal(JSON.stringify(data), expected)
  assert.equal(revision, 1)
})

test('a template that was there before gets the newest number, and comes out as it went in', () => {
  const first = created('x', [])
  const second = created('y', [first])
  assert.equal(second.revision, 2)
  assert.deepEqual(planHistory(owner('y'), [first, second]), { action: 'use', revision: second })
  assert.deepEqual(planHistory(owner('x'), [first, second]), { action: 'renumber', revision: first, number: 3 })
  assert.deepEqual(templateOf(first), template('x'))
})

test('how many old revisions stay: those in use count for DaemonSets, for others they do not', () => {
  const revisions = [1, 2, 3, 4].map((revision): ControllerRevision => ({
    metadata: { ...META, name: `d-${revision}`, uid: `${revision}` },
    revision,
  }))
  const current = revisions[3] as ControllerRevision
  const names = (expired: ControllerRevision[]): string => expired.map(({ metadata }) => metadata.uid).join()
  const inUse = (uids: string) => (revision: ControllerRevision) => uids.includes(revision.metadata.uid)
  assert.equal(names(expiredOldRevisions(revisions, current, inUse('1'), 1)), '2,3')
  assert.equal(names(expiredOldRevisions(revisions, current, inUse('14'), 2)), '2')
  assert.equal(names(expiredOldRevisions(revisions, current, inUse('4'), 1)), '1,2')
  assert.equal(names(expiredOldRevisions(revisions, current, inUse('123'), 1)), '')
  assert.equal(names(expiredRevisions(revisions, inUse('14'), 1)), '2')
})
