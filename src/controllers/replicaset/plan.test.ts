import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { planReplicas, planReplicaStatus, rankForDeletion, type Replicated } from './plan.ts'

const NOW = Date.UTC(2026, 0, 1, 1)

interface PodFacts {
  node?: string
  phase?: string
  readySince?: string
  created?: string
  cost?: string
  restarts?: number
  deleting?: boolean
}

function pod(name: string, facts: PodFacts = {}): Pod {
  const { node = 'n1', phase = 'Running', readySince, created = '2026-01-01T00:00:00Z', cost, restarts, deleting } = facts
  return {
    metadata: {
      name,
      namespace: 'ns',
      uid: name,
      resourceVersion: '1',
      creationTimestamp: created,
      labels: { app: 'web' },
      ...(cost && { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } }),
      ...(deleting && { deletionTimestamp: created }),
    },
    spec: { containers: [], ...(node && { nodeName: node }) },
    status: {
      phase,
      ...(readySince && { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: readySince }] }),
      ...(restarts && { containerStatuses: [{ name: 'c', image: '', imageID: '', ready: true, restartCount: restarts }] }),
    },
  }
}

const ready = { readySince: '2026-01-01T00:00:00Z' }
/** A set that wants so many replicas. */
function set(replicas: number, owned: readonly Pod[], more: Partial<Replicated> = {}): Replicated {
  const facts = { isLeaving: false, generation: 1, minReadySeconds: 0, templateLabels: {}, status: undefined }
  return { ...facts, replicas, pods: owned, neighbours: () => owned, ...more }
}
const names = (pods: readonly Pod[]): string[] => pods.map((p) => p.metadata.name)

test('finished and leaving pods are replaced, surplus ones removed', () => {
  const owned = [pod('a', ready), pod('b', { phase: 'Failed' }), pod('c', { deleting: true })]
  assert.deepEqual(planReplicas(set(3, owned)), { create: 2, remove: [] })
  assert.deepEqual(planReplicas(set(1, owned)), { create: 0, remove: [] })
  assert.deepEqual(names(planReplicas(set(0, owned)).remove), ['a'])
  assert.equal(planReplicas(set(10_000, [])).create, 500)
})

test('a set that is leaving makes and removes nothing', () => {
  assert.deepEqual(planReplicas(set(3, [pod('a', ready)], { isLeaving: true })), { create: 0, remove: [] })
  assert.deepEqual(planReplicas(set(0, [pod('a', ready)], { isLeaving: true })), { create: 0, remove: [] })
})

test('what is missed least goes first', () => {
  const cases: [string, PodFacts, PodFacts][] = [
    ['without a node', { node: '', phase: 'Pending' }, { phase: 'Pending' }],
    ['pending', { phase: 'Pending' }, { phase: 'Running' }],
    ['not ready', {}, ready],
    ['cheaper', { ...ready, cost: '-5' }, ready],
    ['on the crowded node', { ...ready, node: 'n1' }, { ...ready, node: 'n2' }],
    ['ready for a shorter time', { readySince: '2026-01-01T00:30:00Z' }, ready],
    ['restarted more often', { ...ready, restarts: 3 }, ready],
    ['newer', { ...ready, created: '2026-01-01T00:10:00Z' }, ready],
  ]
  const neighbours = [pod('x', { node: 'n1' }), pod('y', { node: 'n1' }), pod('z', { node: 'n2' })]
  for (const [why, first, second] of cases) {
    const pods = [pod('second', second), pod('first', first)]
    assert.deepEqual(names(rankForDeletion(pods, neighbours)), ['first', 'second'], why)
    assert.deepEqual(names(rankForDeletion(pods.toReversed(), neighbours)), ['first', 'second'], why)
  }
})

test('the status counts, and says when the next pod becomes available', () => {
  const owned = [
    pod('a', ready),
    pod('b', { readySince: '2026-01-01T00:59:50Z' }),
    pod('c'),
    pod('d', { deleting: true }),
    pod('e', { phase: 'Succeeded' }),
  ]
  const of = set(3, owned, { generation: 4, minReadySeconds: 30, templateLabels: { app: 'web' } })
  assert.deepEqual(planReplicaStatus(of, NOW), {
    status: { replicas: 3, fullyLabeledReplicas: 3, readyReplicas: 2, availableReplicas: 1, terminatingReplicas: 1, observedGeneration: 4 },
    recheckAfterMs: 20_000,
  })
})

test('a failure is told once and taken back', () => {
  const of = set(1, [])
  const { status } = planReplicaStatus(of, NOW, { creating: true, message: 'exceeded quota' })
  assert.deepEqual(status.conditions, [
    {
      type: 'ReplicaFailure',
      status: 'True',
      reason: 'FailedCreate',
      message: 'exceeded quota',
      lastTransitionTime: '2026-01-01T01:00:00Z',
    },
  ])
  assert.equal(planReplicaStatus({ ...of, status }, NOW).status.conditions, undefined)
})
