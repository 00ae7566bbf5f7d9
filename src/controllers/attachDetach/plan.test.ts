import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, PersistentVolume, Pod } from '../../api/kinds/core/v1.ts'
import type { VolumeAttachment } from '../../api/kinds/storage/v1.ts'
import { multiAttachMessage } from './attachDetach.ts'
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

function plan(given: Partial<NodeFacts>): string {
  const facts: NodeFacts = {
    nodeName: 'n',
    node: node(),
    wanted: [],
    attachments: [],
    elsewhere: new Map(),
    volumes: new Map([A, SHARED].map((one) => [one.metadata.name, one])),
    unwantedSinceMs: new Map(),
    nowMs: NOW,
    ...given,
  }
  const { attach, blocked, detach, attached, recheckMs } = planNode(facts)
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

test('whom a volume is kept by', () => {
  const pod = (name: string, namespace: string): Pod => ({ metadata: { ...meta(name), namespace }, spec: { containers: [] } })
  const waiting = pod('w', 'ns')
  const prefix = 'Multi-Attach error for volume "v" Volume is already'
  assert.equal(multiAttachMessage('v', waiting, []), `${prefix} exclusively attached to one node and can't be attached to another`)
  assert.equal(multiAttachMessage('v', waiting, [pod('x', 'other')]), `${prefix} used by 1 pod(s) in different namespaces`)
  const mixed = [pod('a', 'ns'), pod('b', 'ns'), pod('x', 'other')]
  assert.equal(multiAttachMessage('v', waiting, mixed), `${prefix} used by pod(s) a, b and 1 pod(s) in different namespaces`)
})
