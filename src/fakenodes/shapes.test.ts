import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../api/kinds/core/v1.ts'
import { COMPLETE_AFTER_ANNOTATION, completesAfterMs, fakeNode, nodeAddress, podAddress, runningStatus, succeededStatus } from './shapes.ts'

const NOW = Date.UTC(2026, 0, 1)
const pod = (spec: Partial<Pod['spec']> = {}, annotations: Record<string, string> = {}): Pod => ({
  metadata: { name: 'p', namespace: 'ns', uid: 'p', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z', annotations },
  spec: { containers: [{ name: 'c', image: 'x' }], ...spec },
})

test('a node is ready, has room, and keeps others away only where it is told to', () => {
  const { metadata, spec, status } = fakeNode({ index: 3, nowMs: NOW, kubernetesVersion: 'v1.36.0', isTainted: true })
  assert.equal(metadata.name, 'fake-node-3')
  assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
  assert.equal(spec?.podCIDR, '100.64.3.0/24')
  assert.equal(spec?.taints?.length, 1)
  assert.equal(fakeNode({ index: 3, nowMs: NOW, kubernetesVersion: 'v1.36.0', isTainted: false }).spec?.taints, undefined)
})

test('addresses of nodes and pods are their own', () => {
  const all = [0, 1, 4_999].flatMap((index) => [nodeAddress(index), ...[0, 1, 109].map((slot) => podAddress(index, slot))])
  assert.equal(new Set(all).size, all.length)
  assert.equal(podAddress(1, 0), '100.64.1.1')
})

test('a pod runs ready at once; on the host network it has the host’s address', () => {
  const status = runningStatus(pod({ initContainers: [{ name: 'i', image: 'x' }] }), '10.0.0.1', '100.64.0.1', NOW)
  assert.equal(status.podIP, '100.64.0.1')
  assert.equal(status.conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
  assert.equal(status.initContainerStatuses?.[0]?.state?.terminated?.exitCode, 0)
  assert.equal(runningStatus(pod({ hostNetwork: true }), '10.0.0.1', '100.64.0.1', NOW).podIP, '10.0.0.1')
})

test('only an annotation ends a pod', () => {
  assert.equal(completesAfterMs(pod()), undefined)
  assert.equal(completesAfterMs(pod({}, { [COMPLETE_AFTER_ANNOTATION]: '1.5' })), 1_500)
  assert.equal(completesAfterMs(pod({}, { [COMPLETE_AFTER_ANNOTATION]: 'soon' })), undefined)
  assert.equal(succeededStatus(pod(), NOW).phase, 'Succeeded')
})
