import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StatefulSet, StatefulSetSpec } from '../../api/kinds/apps/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { OwnerReference } from '../../api/kinds/meta/v1.ts'
import { claimOf, claimOwners, holdsClaim, isStaleClaim, ordinalOf, podOf } from './identity.ts'
import { planStatefulSet } from './plan.ts'

function set(spec: Partial<StatefulSetSpec> = {}, status: Partial<StatefulSet['status']> = {}): StatefulSet {
  return {
    metadata: { name: 'db', namespace: 'ns', uid: 's', resourceVersion: '1', creationTimestamp: '', generation: 1 },
    spec: {
      replicas: 3,
      serviceName: 'db',
      selector: { matchLabels: { app: 'db' } },
      template: { metadata: { labels: { app: 'db' } }, spec: { containers: [] } },
      ...spec,
    },
    status: { replicas: 0, ...status },
  }
}

/** `0` ready, `0?` not ready, `0-` leaving, `0!` failed; `*` marks the old revision. */
function pods(text: string): Pod[] {
  return text
    .split(' ')
    .filter(Boolean)
    .map((word) => ({
      metadata: {
        name: `db-${Number.parseInt(word)}`,
        namespace: 'ns',
        uid: word,
        resourceVersion: '1',
        creationTimestamp: '',
        labels: { 'controller-revision-hash': word.includes('*') ? 'old' : 'new' },
        ...(word.includes('-') && { deletionTimestamp: 'x' }),
      },
      spec: { containers: [] },
      status: {
        phase: word.includes('!') ? 'Failed' : 'Running',
        conditions: [{ type: 'Ready', status: /[?!]/.test(word) ? 'False' : 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
      },
    }))
}

function steps(spec: Partial<StatefulSetSpec>, state: string): string {
  const plan = planStatefulSet({
    set: set(spec),
    pods: pods(state),
    currentRevision: 'old',
    updateRevision: 'new',
    nowMs: Date.UTC(2026, 1, 1),
  })
  return [
    ...plan.create.map(({ ordinal, revision }) => `+${ordinal}${revision === 'old' ? '*' : ''}`),
    ...plan.remove.map((pod) => `-${pod.metadata.name.slice(3)}`),
  ].join(' ')
}

test('the next step', () => {
  const parallel = { podManagementPolicy: 'Parallel' }
  const rolling = (rollingUpdate: object) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } })
  const cases: [string, Partial<StatefulSetSpec>, string, string][] = [
    ['one after the other', {}, '', '+0'],
    ['the next when the one before is ready', {}, '0', '+1'],
    ['waits for the one before', {}, '0?', ''],
    ['waits for one that leaves', {}, '0-', ''],
    ['all at once', parallel, '', '+0 +1 +2'],
    ['fills gaps', {}, '0 2', '+1'],
    ['replaces what failed', {}, '0 1! 2', '-1'],
    ['complete', {}, '0 1 2', ''],
    ['scales down from the end', { replicas: 1 }, '0 1 2', '-2'],
    ['one at a time', { replicas: 1 }, '0 1 2-', ''],
    ['all at once, down', { ...parallel, replicas: 1 }, '0 1 2', '-2 -1'],
    ['other ordinals', { replicas: 1, ordinals: { start: 5 } }, '', '+5'],
    ['updates from the end', {}, '0* 1* 2*', '-2'],
    ['and goes on when it is back', {}, '0* 1* 2', '-1'],
    ['waits for the updated one', {}, '0* 1* 2?', ''],
    ['down to the partition', rolling({ partition: 2 }), '0* 1* 2', ''],
    ['below the partition comes back as it was', rolling({ partition: 2 }), '1* 2', '+0*'],
    ['two at a time', rolling({ maxUnavailable: 2 }), '0* 1* 2*', '-2 -1'],
    ['one that leaves is waited for, whatever is amiss below', parallel, '0?* 1?* 2-*', ''],
    ['what is amiss below does not keep the cure from it', parallel, '0?* 1* 2*', '-2'],
    ['two at a time: one that leaves counts', { ...parallel, ...rolling({ maxUnavailable: 2 }) }, '0?* 1?* 2-*', '-1'],
    ['two at a time: what is amiss goes first', { ...parallel, ...rolling({ maxUnavailable: 2 }) }, '0?* 1?* 2*', '-1 -0'],
    ['only when told', { updateStrategy: { type: 'OnDelete' } }, '0* 1* 2*', ''],
  ]
  for (const [name, spec, state, expected] of cases) assert.equal(steps(spec, state), expected, name)
})

test('with OnDelete a pod that was deleted comes back at the newest revision', () => {
  const given = set({ updateStrategy: { type: 'OnDelete' } }, { currentReplicas: 3 })
  const plan = planStatefulSet({ set: given, pods: pods('0* 2*'), currentRevision: 'old', updateRevision: 'new', nowMs: 0 })
  assert.deepEqual(plan.create, [{ ordinal: 1, revision: 'new' }])
})

test('a finished update makes its revision the current one', () => {
  const of = (state: string) =>
    planStatefulSet({ set: set(), pods: pods(state), currentRevision: 'old', updateRevision: 'new', nowMs: Date.UTC(2026, 1, 1) }).status
  assert.deepEqual(of('0* 1 2'), {
    replicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    currentReplicas: 1,
    updatedReplicas: 2,
    currentRevision: 'old',
    updateRevision: 'new',
    collisionCount: 0,
    observedGeneration: 1,
  })
  assert.equal(of('0 1 2').currentRevision, 'new')
})

test('identity', () => {
  assert.deepEqual(
    ['db-0', 'db-12', 'db-01', 'db-x', 'other-1'].map((name) => ordinalOf(set(), name)),
    [0, 12, -1, -1, -1],
  )
  const claims = [{ metadata: { name: 'data', namespace: 'ns', uid: '', resourceVersion: '', creationTimestamp: '' }, spec: {} }]
  const pod = podOf(
    set({ volumeClaimTemplates: claims }),
    { metadata: { labels: { app: 'db' } }, spec: { containers: [], volumes: [{ name: 'data' }, { name: 'tmp' }] } },
    2,
    'rev',
  )
  assert.deepEqual([pod.metadata.name, pod.spec.hostname, pod.spec.subdomain], ['db-2', 'db-2', 'db'])
  const unserved = podOf(set({ serviceName: '' }), { spec: { containers: [], hostname: 'own', subdomain: 'own' } }, 0, 'rev')
  assert.deepEqual([unserved.spec.hostname, unserved.spec.subdomain], ['db-0', undefined])
  assert.deepEqual(pod.spec.volumes, [{ name: 'data', persistentVolumeClaim: { claimName: 'data-db-2' } }, { name: 'tmp' }])
  assert.deepEqual(pod.metadata.labels, {
    app: 'db',
    'statefulset.kubernetes.io/pod-name': 'db-2',
    'apps.kubernetes.io/pod-index': '2',
    'controller-revision-hash': 'rev',
  })
})

test('a claim of a pod that is gone must go before there is such a pod again', () => {
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name: 'db-2', uid: 'before' }]
  const metadata = { name: 'data-db-2', namespace: 'ns', uid: 'c', resourceVersion: '1', creationTimestamp: '', ownerReferences }
  const scaled = set({ persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete' } })
  assert.equal(isStaleClaim(scaled, { metadata, spec: {} }, 'db-2'), true)
  assert.equal(isStaleClaim(scaled, { metadata, spec: {} }, 'db-1'), false)
  assert.equal(isStaleClaim(set(), { metadata, spec: {} }, 'db-2'), false)
})

test('whose claim it is', () => {
  const named = (name: string): boolean => holdsClaim(set({ volumeClaimTemplates: [{ metadata: { name: 'data' } } as never] }), name)
  assert.deepEqual(['data-db-0', 'data-db-12', 'data-db', 'data-db-x', 'log-db-0'].map(named), [true, true, false, false, false])
})

test('who a claim goes with', () => {
  const [pod] = pods('2') as [Pod]
  const claim = { metadata: { name: 'data-db-2', namespace: 'ns', uid: 'c', resourceVersion: '1', creationTimestamp: '' }, spec: {} }
  const kinds = (policy: object, condemned: boolean) =>
    claimOwners(set({ persistentVolumeClaimRetentionPolicy: policy }), claim, pod, condemned)?.map((owner) => owner.kind)
  assert.equal(kinds({ whenDeleted: 'Retain', whenScaled: 'Retain' }, true), undefined)
  assert.deepEqual(kinds({ whenDeleted: 'Delete' }, false), ['StatefulSet'])
  assert.deepEqual(kinds({ whenScaled: 'Delete' }, true), ['Pod'])
  assert.equal(kinds({ whenScaled: 'Delete' }, false), undefined)
})

test('a claim is made as its set wants it', () => {
  const template = { metadata: { name: 'data' }, spec: {} } as never
  const ownersOf = (policy: object) =>
    claimOf(set({ persistentVolumeClaimRetentionPolicy: policy }), template, 2).metadata.ownerReferences?.map(({ kind, uid }) => [
      kind,
      uid,
    ])
  assert.deepEqual(ownersOf({ whenDeleted: 'Delete' }), [['StatefulSet', 's']])
  assert.equal(ownersOf({ whenDeleted: 'Retain', whenScaled: 'Delete' }), undefined)
})

test('claims of others are left to them', () => {
  const [pod] = pods('2') as [Pod]
  const meta = { name: 'data-db-2', namespace: 'ns', uid: 'c', resourceVersion: '1', creationTimestamp: '' }
  const mine = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 's' }
  const owners = (...ownerReferences: OwnerReference[]): unknown =>
    claimOwners(
      set({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete' } }),
      { metadata: { ...meta, ownerReferences }, spec: {} },
      pod,
      false,
    )
  const controlling = { ...mine, controller: true, blockOwnerDeletion: true }
  const other = { apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'x' }
  assert.deepEqual(owners(), [controlling])
  assert.deepEqual(owners(mine), [controlling], 'one that controls')
  assert.equal(owners(controlling), undefined)
  assert.deepEqual(owners(other), [other, controlling])
  assert.equal(owners({ ...mine, uid: 'gone' }), undefined, 'of a set of that name that is gone')
  assert.equal(owners({ ...other, controller: true }), undefined, 'controlled by another')
  assert.deepEqual(owners({ ...other, controller: true }, controlling), [{ ...other, controller: true }], 'two that control')
})
