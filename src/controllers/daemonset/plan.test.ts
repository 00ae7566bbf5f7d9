import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DaemonSet, RollingUpdateDaemonSet } from '../../api/kinds/apps/v1.ts'
import type { Node, Pod, Taint } from '../../api/kinds/core/v1.ts'
import { nodeOf, templateFor, templateGeneration } from './placement.ts'
import { planDaemonSet } from './plan.ts'

const meta = (name: string) => ({ name, uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' })

function node(name: string, facts: { taints?: Taint[]; labels?: Record<string, string> } = {}): Node {
  return { metadata: { ...meta(name), labels: facts.labels ?? {} }, spec: { taints: facts.taints ?? [] } }
}

function pod(name: string, on: string, facts: { hash?: string; ready?: boolean; phase?: string; leaving?: boolean } = {}): Pod {
  const { hash = 'new', ready = true, phase = 'Running', leaving } = facts
  return {
    metadata: { ...meta(name), namespace: 'ns', labels: { 'controller-revision-hash': hash }, ...(leaving && { deletionTimestamp: 'x' }) },
    spec: { containers: [], nodeName: on },
    status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:00:00Z' }] },
  }
}

function daemonSet(rollingUpdate: RollingUpdateDaemonSet = {}, nodeSelector: Record<string, string> = {}): DaemonSet {
  return {
    metadata: { ...meta('ds'), namespace: 'ns', generation: 1 },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { spec: { containers: [], nodeSelector } },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate },
    },
  }
}

const plan = (ds: DaemonSet, nodes: Node[], pods: Pod[], failedWaitMs = 0) => {
  const { create, remove, status } = planDaemonSet({
    ds,
    nodes,
    pods,
    hash: 'new',
    nowMs: Date.UTC(2026, 1, 1),
    failedWaitMs: () => failedWaitMs,
  })
  return { create, remove: remove.map((p) => p.metadata.name), status }
}

test('one pod on every node that fits', () => {
  const nodes = [
    node('plain'),
    node('has'),
    node('twice'),
    node('cordoned', { taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] }),
    node('tainted', { taints: [{ key: 'mine', effect: 'NoSchedule' }] }),
    node('driven', { taints: [{ key: 'mine', effect: 'NoExecute' }] }),
  ]
  const pods = [pod('p1', 'has'), pod('p2', 'twice'), pod('p3', 'twice'), pod('p4', 'tainted'), pod('p5', 'driven')]
  const { create, remove, status } = plan(daemonSet(), nodes, pods)
  assert.deepEqual(create, ['plain', 'cordoned'])
  assert.deepEqual(remove, ['p3', 'p5'])
  assert.deepEqual(status, {
    desiredNumberScheduled: 4,
    currentNumberScheduled: 2,
    numberMisscheduled: 2,
    numberReady: 2,
    numberAvailable: 2,
    numberUnavailable: 2,
    updatedNumberScheduled: 2,
    observedGeneration: 1,
  })
})

test('failed pods are replaced when their time has come', () => {
  const failedWaitMs = (nodeName: string): number => (nodeName === 'b' ? 2_000 : 0)
  const pods = [pod('1', 'a', { phase: 'Failed' }), pod('2', 'b', { phase: 'Failed' })]
  const input = { ds: daemonSet(), nodes: [node('a'), node('b')], pods, hash: 'new', nowMs: 0, failedWaitMs }
  const { create, remove, failed, recheckAfterMs } = planDaemonSet(input)
  const names = (of: Pod[]): string[] => of.map((p) => p.metadata.name)
  assert.deepEqual(
    { create, remove: names(remove), failed: names(failed), recheckAfterMs },
    {
      create: [],
      remove: ['1'],
      failed: ['1'],
      recheckAfterMs: 2_000,
    },
  )
})

test('pods that have succeeded are replaced at once', () => {
  const pods = [pod('1', 'a', { phase: 'Succeeded' })]
  const input = { ds: daemonSet(), nodes: [node('a')], pods, hash: 'new', nowMs: 0, failedWaitMs: () => 1_000 }
  const { remove, failed, succeeded } = planDaemonSet(input)
  assert.deepEqual([remove, failed, succeeded], [pods, [], pods])
})

test('where nothing may be missing, a pod that is out of place stays until there are enough others', () => {
  const nodes = [node('in'), node('out', { taints: [{ key: 'mine', effect: 'NoSchedule' }] })]
  const of = (ready: boolean): string[] =>
    plan(daemonSet({ maxSurge: 1, maxUnavailable: 0 }), nodes, [pod('1', 'out', { hash: 'old' }), pod('2', 'in', { ready })]).remove
  assert.deepEqual([of(false), of(true)], [[], ['1']])
})

test('while an update surges the older pod tells how the node is served', () => {
  const { status } = plan(
    daemonSet({ maxSurge: 1, maxUnavailable: 0 }),
    [node('a')],
    [pod('1', 'a', { hash: 'old' }), pod('2', 'a', { ready: false })],
  )
  assert.deepEqual([status.numberReady, status.updatedNumberScheduled], [1, undefined])
})

test('the node selector decides', () => {
  const nodes = [node('yes', { labels: { disk: 'ssd' } }), node('no')]
  assert.deepEqual(plan(daemonSet({}, { disk: 'ssd' }), nodes, [pod('p', 'no')]), {
    create: ['yes'],
    remove: ['p'],
    status: {
      desiredNumberScheduled: 1,
      currentNumberScheduled: 0,
      numberMisscheduled: 1,
      numberReady: 0,
      numberUnavailable: 1,
      observedGeneration: 1,
    },
  })
})

test('an update replaces what does nothing first, and as many more as may be unavailable', () => {
  const nodes = ['a', 'b', 'c'].map((name) => node(name))
  const old = { hash: 'old' }
  const cases: [string, RollingUpdateDaemonSet, Pod[], { create: string[]; remove: string[] }][] = [
    ['one at a time', {}, [pod('1', 'a', old), pod('2', 'b', old), pod('3', 'c', old)], { create: [], remove: ['1'] }],
    ['waits for the new one', {}, [pod('1', 'a', { ready: false }), pod('2', 'b', old), pod('3', 'c', old)], { create: [], remove: [] }],
    [
      'broken old ones go at once',
      {},
      [pod('1', 'a', { ...old, ready: false }), pod('2', 'b', { ...old, ready: false }), pod('3', 'c', old)],
      { create: [], remove: ['1', '2'] },
    ],
    [
      'half of them',
      { maxUnavailable: '50%' },
      [pod('1', 'a', old), pod('2', 'b', old), pod('3', 'c', old)],
      { create: [], remove: ['1', '2'] },
    ],
    [
      'surge first',
      { maxSurge: 1, maxUnavailable: 0 },
      [pod('1', 'a', old), pod('2', 'b', old), pod('3', 'c', old)],
      { create: ['a'], remove: [] },
    ],
    [
      'then the old one',
      { maxSurge: 1, maxUnavailable: 0 },
      [pod('1', 'a', old), pod('4', 'a'), pod('2', 'b', old), pod('3', 'c', old)],
      { create: [], remove: ['1'] },
    ],
  ]
  const surge = { maxSurge: 1, maxUnavailable: 0 }
  cases.push(
    [
      'the old one goes only once there is a new one',
      surge,
      [pod('1', 'a', { ...old, ready: false }), pod('2', 'b'), pod('3', 'c')],
      { create: ['a'], remove: [] },
    ],
    [
      'then it goes at once',
      surge,
      [pod('1', 'a', { ...old, ready: false }), pod('4', 'a', { ready: false }), pod('2', 'b'), pod('3', 'c')],
      { create: [], remove: ['1'] },
    ],
    [
      'one that leaves has a successor at once',
      surge,
      [pod('1', 'a', { leaving: true }), pod('2', 'b'), pod('3', 'c')],
      { create: ['a'], remove: [] },
    ],
    ['one that leaves is waited for', {}, [pod('1', 'a', { leaving: true }), pod('2', 'b'), pod('3', 'c')], { create: [], remove: [] }],
    [
      'one that has ended is not',
      {},
      [pod('1', 'a', { leaving: true, phase: 'Failed' }), pod('2', 'b'), pod('3', 'c')],
      { create: ['a'], remove: [] },
    ],
    [
      'what waits for its time keeps no update from going on',
      {},
      [pod('1', 'a', { phase: 'Failed' }), pod('2', 'b', { ...old, ready: false }), pod('3', 'c')],
      { create: [], remove: ['2'] },
    ],
  )
  for (const [name, strategy, pods, expected] of cases) {
    const { create, remove } = plan(daemonSet(strategy), nodes, pods, 1_000)
    assert.deepEqual({ create, remove }, expected, name)
  }
})

test('a pod is bound to its node by affinity, in place of the terms that the node was chosen by', () => {
  const { spec } = templateFor({ spec: { containers: [] } }, 'n1', 'h')
  assert.equal(nodeOf({ metadata: { ...meta('p'), namespace: 'ns' }, spec: spec ?? { containers: [] } }), 'n1')
  const terms = [{ matchExpressions: [{ key: 'x', operator: 'Exists' }] }, { matchExpressions: [{ key: 'y', operator: 'Exists' }] }]
  const preferred = [{ weight: 1, preference: {} }]
  const affinity = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms },
      preferredDuringSchedulingIgnoredDuringExecution: preferred,
    },
  }
  assert.deepEqual(templateFor({ spec: { containers: [], affinity } }, 'n1', 'h').spec?.affinity?.nodeAffinity, {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }],
    },
    preferredDuringSchedulingIgnoredDuringExecution: preferred,
  })
})

test('tolerations of daemons stand in place of those of the template that are alike', () => {
  const own = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }
  const { tolerations = [] } =
    templateFor({ spec: { containers: [], tolerations: [{ ...own, tolerationSeconds: 5 }] } }, 'n1', 'h').spec ?? {}
  assert.deepEqual(tolerations[0], own)
  assert.equal(tolerations.filter(({ key }) => key === own.key).length, 1)
})

test('pods bear the number of the template that older clients know', () => {
  const ds = {
    metadata: { ...meta('d'), namespace: 'ns', annotations: { 'deprecated.daemonset.template.generation': '3' } },
  } as unknown as DaemonSet
  assert.equal(templateFor({}, 'n1', 'h', templateGeneration(ds)).metadata?.labels?.['pod-template-generation'], '3')
  assert.deepEqual(templateFor({}, 'n1', 'h').metadata?.labels, { 'controller-revision-hash': 'h' })
})
