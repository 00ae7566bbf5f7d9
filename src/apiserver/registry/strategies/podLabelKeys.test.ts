import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../../api/kinds/core/v1.ts'
import { mergeLabelKeys } from './podLabelKeys.ts'

test("a pod's own values of label keys go into its selectors", () => {
  const matchExpressions = [{ key: 'tier', operator: 'Exists' }]
  const term = { topologyKey: 'zone', labelSelector: { matchExpressions }, matchLabelKeys: ['rev', 'none'], mismatchLabelKeys: ['tenant'] }
  const pod = {
    metadata: { name: 'p', namespace: 'default', labels: { rev: '7', tenant: 'a' } },
    spec: {
      containers: [],
      affinity: {
        podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [structuredClone(term)] },
        podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: structuredClone(term) }] },
      },
      topologySpreadConstraints: [
        { topologyKey: 'zone', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector: {}, matchLabelKeys: ['rev'] },
        { topologyKey: 'host', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', matchLabelKeys: ['rev'] },
      ],
    },
  } as unknown as Pod
  mergeLabelKeys(pod)
  const narrowed = [...matchExpressions, { key: 'rev', operator: 'In', values: ['7'] }, { key: 'tenant', operator: 'NotIn', values: ['a'] }]
  const { affinity, topologySpreadConstraints: [spread, unselecting] = [] } = pod.spec
  assert.deepEqual(
    affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.map((t) => t.labelSelector?.matchExpressions),
    [narrowed],
  )
  assert.deepEqual(
    affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.map(
      (t) => t.podAffinityTerm.labelSelector?.matchExpressions,
    ),
    [narrowed],
  )
  assert.deepEqual(spread?.labelSelector, { matchExpressions: [{ key: 'rev', operator: 'In', values: ['7'] }] })
  assert.equal(unselecting?.labelSelector, undefined)
})
