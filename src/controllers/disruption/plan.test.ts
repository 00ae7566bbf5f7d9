import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { PodDisruptionBudget, PodDisruptionBudgetSpec } from '../../api/kinds/policy/v1.ts'
import { planBudget } from './plan.ts'

const NOW = Date.UTC(2026, 0, 1)

function pod(name: string, ready = true): Pod {
  return {
    metadata: { name, namespace: 'ns', uid: name, resourceVersion: '1', creationTimestamp: '' },
    spec: { containers: [] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }
}
function budget(spec: PodDisruptionBudgetSpec, disruptedPods?: Record<string, string>): PodDisruptionBudget {
  const metadata = { name: 'b', namespace: 'ns', uid: 'b', resourceVersion: '1', creationTimestamp: '', generation: 3 }
  return { metadata, spec, ...(disruptedPods && { status: { disruptedPods } }) }
}

test('how many may go', () => {
  const four = ['a', 'b', 'c', 'd'].map((name) => pod(name))
  const cases: [
    string,
    PodDisruptionBudgetSpec,
    Pod[],
    number | undefined,
    [allowed: number, healthy: number, desired: number, expected: number],
  ][] = [
    ['a number that must stay', { minAvailable: 3 }, four, undefined, [1, 4, 3, 4]],
    ['not all are healthy', { minAvailable: 3 }, [...four.slice(1), pod('a', false)], undefined, [0, 3, 3, 4]],
    ['a share of what is wanted', { minAvailable: '50%' }, four, 5, [1, 4, 3, 5]],
    ['a number that may go', { maxUnavailable: 2 }, four, 4, [2, 4, 2, 4]],
    ['nothing is wanted', { maxUnavailable: 1 }, [], 0, [0, 0, 0, 0]],
  ]
  for (const [name, spec, pods, replicas, expected] of cases) {
    const { status } = planBudget({ budget: budget(spec), pods, scale: { replicas: replicas ?? 0, unmanaged: [] }, nowMs: NOW })
    assert.deepEqual([status.disruptionsAllowed, status.currentHealthy, status.desiredHealthy, status.expectedPods], expected, name)
    assert.equal(status.conditions?.[0]?.reason, expected[0] > 0 ? 'SufficientPods' : 'InsufficientPods', name)
  }
})

test('an eviction under way counts until it shows or is given up', () => {
  const granted = { a: '2025-12-31T23:59:30Z', late: '2025-12-31T23:00:00Z', gone: '2025-12-31T23:59:59Z' }
  const plan = planBudget({
    budget: budget({ minAvailable: 1 }, granted),
    pods: [pod('a'), pod('b'), pod('late')],
    scale: { problem: 'p' },
    nowMs: NOW,
  })
  assert.deepEqual(plan.status.disruptedPods, { a: granted.a })
  assert.deepEqual([plan.status.disruptionsAllowed, plan.recheckAfterMs], [1, 90_000])
})

test('pods that nobody scales cannot be budgeted by share', () => {
  const { status } = planBudget({ budget: budget({ maxUnavailable: 1 }), pods: [pod('a')], scale: { problem: 'p' }, nowMs: NOW })
  assert.deepEqual([status.disruptionsAllowed, status.conditions?.[0]?.reason, status.conditions?.[0]?.message], [0, 'SyncFailed', 'p'])
  assert.equal(status.conditions?.[0]?.observedGeneration, undefined, 'nothing was told of this one yet')
})
