import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, Pod } from '../api/kinds/core/v1.ts'
import { ADD, concerns, DELETE, nodeActions, partsOf, podActions, type ClusterEvent } from './events.ts'
import type { Plugin } from './framework.ts'
import { newInterPodAffinity } from './plugins/interPodAffinity.ts'
import { newNodeUnschedulable, newTaintToleration } from './plugins/taints.ts'
import { newTopologySpread } from './plugins/topologySpread.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const node = (labels: Record<string, string> = {}, spec: Partial<Node['spec']> = {}): Node => ({
  metadata: { ...META, uid: 'n', name: 'n', labels },
  spec,
})
const pod = (name: string, labels: Record<string, string> = {}, spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { ...META, uid: name, name, namespace: 'ns', labels },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
})
const ofNode = (before: Node | undefined, after: Node): ClusterEvent => ({
  resource: 'Node',
  actions: before ? nodeActions(before, after) : ADD,
  before,
  after,
})
const ofPod = (before: Pod | undefined, after: Pod | undefined): ClusterEvent => ({
  resource: 'Pod',
  actions: before ? (after ? podActions(before, after) : DELETE) : ADD,
  before,
  after,
})

const TERM = { labelSelector: { matchLabels: { app: 'x' } }, topologyKey: 'zone' }
const near: Partial<Pod['spec']> = { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [TERM] } } }
const far: Partial<Pod['spec']> = { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [TERM] } } }
const spread = (more: object = {}): Partial<Pod['spec']> => ({
  topologySpreadConstraints: [{ ...TERM, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', ...more }],
})
const placed = (name: string, app: string): Pod => pod(name, { app }, { nodeName: 'n' })
const tolerating = (p: Pod, key: string): Pod => ({ ...p, spec: { ...p.spec, tolerations: [{ key, operator: 'Exists' }] } })

const affinity = newInterPodAffinity({ hardPodAffinityWeight: 1, ignorePreferredTermsOfExistingPods: false }, () => undefined)
const spreading = newTopologySpread({ defaultConstraints: [], isSystemDefaulted: true, selectorOf: () => undefined })
const own = pod('p', { app: 'x' }, spread())

const CASES: readonly [what: string, plugin: Plugin, pod: Pod, event: ClusterEvent, isHelped: boolean][] = [
  ['a node that is opened', newNodeUnschedulable(), pod('p'), ofNode(node({}, { unschedulable: true }), node()), true],
  ['a node that is closed', newNodeUnschedulable(), pod('p'), ofNode(node(), node({}, { unschedulable: true })), false],
  ['another taint', newNodeUnschedulable(), pod('p'), ofNode(node(), node({}, { taints: [{ key: 'k', effect: 'NoSchedule' }] })), false],
  ['a toleration of something else', newNodeUnschedulable(), pod('p'), ofPod(pod('p'), tolerating(pod('p'), 'k')), false],
  [
    'a toleration of closed nodes',
    newNodeUnschedulable(),
    pod('p'),
    ofPod(pod('p'), tolerating(pod('p'), 'node.kubernetes.io/unschedulable')),
    true,
  ],
  ['a taint that goes', newTaintToleration(), pod('p'), ofNode(node({}, { taints: [{ key: 'k', effect: 'NoExecute' }] }), node()), true],
  ['a node gets the label that the pod wants others by', affinity, pod('p', {}, near), ofNode(node(), node({ zone: 'a' })), true],
  ['a node gets another label', affinity, pod('p', {}, far), ofNode(node({ zone: 'a' }), node({ zone: 'a', foo: 'bar' })), false],
  ['a node moves', affinity, pod('p', {}, far), ofNode(node({ zone: 'a' }), node({ zone: 'b' })), true],
  ['a new node, far from others', affinity, pod('p', {}, far), ofNode(undefined, node()), true],
  ['a new node, whom others keep away', affinity, pod('p'), ofNode(undefined, node()), false],
  ['a friend', affinity, pod('p', {}, near), ofPod(undefined, placed('q', 'x')), true],
  ['a friend that has no node', affinity, pod('p', {}, near), ofPod(undefined, pod('q', { app: 'x' })), false],
  ['a foe that changes', affinity, pod('p', {}, far), ofPod(placed('q', 'x'), placed('q', 'y')), true],
  ['one of its kind that goes', spreading, own, ofPod(placed('q', 'x'), undefined), true],
  ['one of another kind', spreading, own, ofPod(placed('q', 'y'), undefined), false],
  ['another label of its own', spreading, own, ofPod(own, { ...own, metadata: { ...own.metadata, labels: { app: 'x', b: 'c' } } }), false],
  ['its own toleration', spreading, own, ofPod(own, tolerating(own, 'k')), false],
  [
    'its own toleration where taints count',
    spreading,
    pod('p', { app: 'x' }, spread({ nodeTaintsPolicy: 'Honor' })),
    ofPod(own, tolerating(own, 'k')),
    true,
  ],
]
for (const [what, { events, name }, wanting, event, isHelped] of CASES)
  test(`${name} is helped: ${what}`, () =>
    assert.equal(
      events.some((hint) => concerns(hint, event) && (hint.mayHelp?.(wanting, event) ?? true)),
      isHelped,
    ))

test('events have upstream’s names, one for each thing that changed', () => {
  const labelsOf = (event: ClusterEvent): string[] => Array.from(partsOf(event), ({ label }) => label)
  assert.deepEqual(labelsOf(ofNode(node(), node({ a: 'b' }, { taints: [{ key: 'k', effect: 'NoSchedule' }] }))), [
    'NodeUpdateNodeLabel',
    'NodeUpdateNodeTaint',
  ])
  assert.deepEqual(labelsOf(ofPod(placed('q', 'x'), undefined)), ['AssignedPodDelete'])
  assert.deepEqual(labelsOf(ofPod(undefined, pod('q'))), ['UnschedulablePodAdd'])
  assert.deepEqual(labelsOf({ resource: 'CSINode', actions: ADD }), ['storage.k8s.io/CSINodeAdd'])
})
