import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, PersistentVolume, Pod } from '../../api/kinds/core/v1.ts'
import type { VolumeAttachment } from '../../api/kinds/storage/v1.ts'
import { newsOf } from './news.ts'
import { attachmentName, planNode, UNMOUNT_TIMEOUT_MS, uniqueName, type NodeFacts } from './plan.ts'

const NOW = Date.UTC(2026, 0, 1)
const meta = (name: string) => ({ name, uid: name, resourceVersion: '1', creationTimestamp: '' })

function volume(name: string, mode = 'ReadWriteOnce'): PersistentVolume {
  return { metadata: meta(name), spec: { accessModes: [mode], csi: { driver: 'd.example', volumeHandle: `h-${name}` } } }
}

function attachment(of: PersistentVolume, nodeName = 'n', status: VolumeAttachment['status'] = { attached: true }): VolumeAttachment {
  return {
    metadata: meta(attachmentName(of, nodeName)),
    spec: { attacher: 'd.example', nodeName, source: { persistentVolumeName: of.metadata.name } },
    status,
  }
}

function node(facts: { ready?: boolean; inUse?: PersistentVolume[]; taint?: string; managed?: boolean } = {}): Node {
  const { ready = true, inUse, taint, managed = true } = facts
  return {
    metadata: { ...meta('n'), annotations: managed ? { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' } : {} },
    spec: { ...(taint && { taints: [{ key: taint, effect: 'NoExecute' }] }) },
    status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }], ...(inUse && { volumesInUse: inUse.map(uniqueName) }) },
  }
}

const A = volume('a')
const SHARED = volume('s', 'ReadWriteMany')
const wants = (...volumes: PersistentVolume[]) => volumes.map((one) => ({ volume: one, pods: [] }))

function factsWith(given: Partial<NodeFacts>): NodeFacts {
  return {
    nodeName: 'n',
    node: node(),
    wanted: [],
    attachments: [],
    elsewhere: new Map(),
    usersElsewhere: new Map(),
    volumes: new Map([A, SHARED].map((one) => [one.metadata.name, one])),
    unwantedSinceMs: new Map(),
    nowMs: NOW,
    ...given,
  }
}

function plan(given: Partial<NodeFacts>): string {
  const { attach, blocked, detach, attached, recheckMs } = planNode(factsWith(given))
  const named = (word: string, list: readonly { volume: PersistentVolume }[]): string[] =>
    list.map((one) => `${word} ${one.volume.metadata.name}`)
  return [
    ...named('attach', attach),
    ...named('blocked', blocked),
    ...detach.map(({ spec }) => `detach ${spec.source.persistentVolumeName}`),
    ...attached.map(({ name }) => `has ${name}`),
    ...(recheckMs === undefined ? [] : [`again ${recheckMs}`]),
  ].join(', ')
}

test('what is attached to a node', () => {
  const has = `has ${uniqueName(A)}`
  const old = new Map([[attachmentName(A, 'n'), NOW - UNMOUNT_TIMEOUT_MS]])
  const byHand: VolumeAttachment = { ...attachment(A), metadata: meta('by-hand') }
  const cases: [string, Partial<NodeFacts>, string][] = [
    ['a pod mounts it', { wanted: wants(A) }, 'attach a'],
    ['on its way', { wanted: wants(A), attachments: [attachment(A, 'n', { attached: false })] }, ''],
    ['there', { wanted: wants(A), attachments: [attachment(A)] }, has],
    ['its kubelet attaches by itself', { wanted: wants(A), node: node({ managed: false }) }, ''],
    ['another node has it', { wanted: wants(A), elsewhere: new Map([['a', [attachment(A, 'm')]]]) }, 'blocked a'],
    ['several may have it', { wanted: wants(SHARED), elsewhere: new Map([['s', [attachment(SHARED, 'm')]]]) }, 'attach s'],
    ['nobody wants it', { attachments: [attachment(A)] }, 'detach a'],
    ['it is still mounted', { attachments: [attachment(A)], node: node({ inUse: [A] }) }, `${has}, again ${UNMOUNT_TIMEOUT_MS}`],
    [
      'mounted on a node that is lost',
      { attachments: [attachment(A)], node: node({ inUse: [A], ready: false }), unwantedSinceMs: old },
      'detach a',
    ],
    ['mounted on a node that is well', { attachments: [attachment(A)], node: node({ inUse: [A] }), unwantedSinceMs: old }, has],
    [
      'mounted on a node out of service',
      { attachments: [attachment(A)], node: node({ inUse: [A], taint: 'node.kubernetes.io/out-of-service' }) },
      'detach a',
    ],
    ['the node is gone', { attachments: [attachment(A)], node: undefined, wanted: wants(SHARED) }, 'detach a'],
    ['made by hand', { attachments: [byHand] }, ''],
  ]
  for (const [name, given, expected] of cases) assert.equal(plan(given), expected, name)
})

const pod = (name: string, namespace = 'ns'): Pod => ({ metadata: { ...meta(name), namespace }, spec: { containers: [] } })

/** What the pods that wait for the volume `a` are told, each line after whether it is good. */
function told(given: Partial<NodeFacts>): string[] {
  const facts = factsWith({ wanted: [{ volume: A, pods: [pod('w')] }], ...given })
  return newsOf(facts, planNode(facts)).flatMap(({ isGood, messages }) => messages.map(({ message }) => `${isGood ? '+' : '-'} ${message}`))
}

test('whom a volume is kept by', () => {
  const elsewhere = new Map([['a', [attachment(A, 'm')]]])
  const prefix = '- Multi-Attach error for volume "a" Volume is already'
  const cases: [string, Pod[], string][] = [
    ['nobody that is known', [], `${prefix} exclusively attached to one node and can't be attached to another`],
    ['pods of other namespaces have no names', [pod('x', 'other')], `${prefix} used by 1 pod(s) in different namespaces`],
    [
      'pods of several namespaces',
      [pod('a'), pod('b'), pod('x', 'other')],
      `${prefix} used by pod(s) a, b and 1 pod(s) in different namespaces`,
    ],
  ]
  for (const [name, users, expected] of cases)
    assert.deepEqual(told({ elsewhere, usersElsewhere: new Map([['a', users]]) }), [expected], name)
})

test('what a driver answered', () => {
  const answered = (status: VolumeAttachment['status']): string[] => told({ attachments: [attachment(A, 'n', status)] })
  assert.deepEqual(told({}), [])
  assert.deepEqual(answered({ attached: false }), [])
  assert.deepEqual(answered({ attached: true }), ['+ AttachVolume.Attach succeeded for volume "a" '])
  assert.deepEqual(answered({ attached: false, attachError: { message: 'no slot' } }), [
    '- AttachVolume.Attach failed for volume "a" : no slot',
  ])
})
