import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, NodeCondition, Taint, Toleration } from '../../api/kinds/core/v1.ts'
import { isEvicting, planTaints, planUnknown } from './plan.ts'
import { evictionAfterMs } from './taintEviction.ts'

function node(conditions: NodeCondition[], spec: Node['spec'] = {}): Node {
  return {
    metadata: { name: 'n', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec,
    status: { conditions },
  }
}
const ready = (status: string): NodeCondition => ({ type: 'Ready', status })
const brief = (taints: Taint[] | undefined): string[] | undefined =>
  taints?.map((taint) => `${taint.key.replace('node.kubernetes.io/', '')}:${taint.effect}`)
const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }

test('taints follow the state of the node', () => {
  const own = { key: 'mine', effect: 'NoSchedule' }
  const cases: [string, Node, string[] | undefined][] = [
    ['new node', node([]), undefined],
    ['new node, tainted at creation', node([], { taints: [notReady] }), []],
    ['becomes ready', node([ready('True')], { taints: [own, notReady] }), ['mine:NoSchedule']],
    ['ready', node([ready('True')], { taints: [own] }), undefined],
    ['not ready', node([ready('False')]), ['not-ready:NoSchedule', 'not-ready:NoExecute']],
    ['unknown', node([ready('Unknown')], { taints: [notReady] }), ['unreachable:NoSchedule', 'unreachable:NoExecute']],
    [
      'cordoned and short of disk',
      node([ready('True'), { type: 'DiskPressure', status: 'True' }], { unschedulable: true }),
      ['disk-pressure:NoSchedule', 'unschedulable:NoSchedule'],
    ],
  ]
  for (const [name, subject, expected] of cases) assert.deepEqual(brief(planTaints(subject, true, 0)), expected, name)
})

test('a node that may not drive its pods away, or not yet', () => {
  const lost = node([ready('Unknown')], { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] })
  assert.equal(isEvicting(lost), true)
  assert.equal(isEvicting(node([], { taints: [notReady] })), false)
  assert.deepEqual(brief(planTaints(lost, false, 0)), ['unreachable:NoSchedule'])
})

test('a silent node becomes unknown, once', () => {
  const conditions = planUnknown(node([{ ...ready('True'), lastTransitionTime: 'before' }]), 0)
  assert.deepEqual(
    conditions?.map((c) => [c.type, c.status, c.reason]),
    [
      ['Ready', 'Unknown', 'NodeStatusUnknown'],
      ['MemoryPressure', 'Unknown', 'NodeStatusNeverUpdated'],
      ['DiskPressure', 'Unknown', 'NodeStatusNeverUpdated'],
      ['PIDPressure', 'Unknown', 'NodeStatusNeverUpdated'],
    ],
  )
  assert.equal(planUnknown(node(conditions ?? []), 1), undefined)
})

test('how long a pod may stay on a tainted node', () => {
  const taint: Taint = { key: 'k', value: 'v', effect: 'NoExecute' }
  const cases: [string, Toleration[], Taint[], number | undefined][] = [
    ['no taint', [], [], undefined],
    ['a taint for scheduling only', [], [{ ...taint, effect: 'NoSchedule' }], undefined],
    ['not tolerated', [], [taint], 0],
    ['tolerated for good', [{ key: 'k', operator: 'Exists' }], [taint], undefined],
    ['everything tolerated', [{ operator: 'Exists' }], [taint], undefined],
    ['tolerated for a while', [{ key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute', tolerationSeconds: 300 }], [taint], 300_000],
    ['another value', [{ key: 'k', value: 'w' }], [taint], 0],
    [
      'the first of a taint counts',
      [
        { key: 'k', operator: 'Exists', tolerationSeconds: 300 },
        { operator: 'Exists', tolerationSeconds: 5 },
      ],
      [taint],
      300_000,
    ],
    [
      'the shortest of several taints counts',
      [
        { key: 'k', operator: 'Exists', tolerationSeconds: 300 },
        { key: 'l', operator: 'Exists', tolerationSeconds: 5 },
      ],
      [taint, { ...taint, key: 'l' }],
      5_000,
    ],
    ['one of two taints not tolerated', [{ key: 'k', operator: 'Exists' }], [taint, { ...taint, key: 'l' }], 0],
    ['tolerated for less than no time', [{ operator: 'Exists', tolerationSeconds: -1 }], [taint], 0],
  ]
  for (const [name, tolerations, taints, expected] of cases) assert.equal(evictionAfterMs(tolerations, taints), expected, name)
})
