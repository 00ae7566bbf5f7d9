import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { formatQuantity } from '../../api/quantity.ts'
import { PodUsages } from './podUsages.ts'

const pod = (index: number, cpu: string, memory: string, phase = 'Running'): Pod => ({
  metadata: { name: `p${index}`, namespace: 'ns', uid: `p${index}`, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu, memory } } }] },
  status: { phase },
})

test('alike and different pods add up; what has ended counts as an object only', () => {
  const alike = Array.from({ length: 1_000 }, (_, i) => pod(i, '100m', '64Mi'))
  const usages = new PodUsages()
  for (let round = 0; round < 2; round++) {
    const sum = usages.sum([...alike, pod(1_000, '1', '1Gi'), pod(1_001, '7', '7Gi', 'Succeeded')])
    const texts = Object.fromEntries(Object.entries(sum).map(([name, value]) => [name, formatQuantity(value)]))
    assert.deepEqual(texts, {
      'count/pods': '1002',
      pods: '1001',
      'requests.cpu': '101',
      cpu: '101',
      'requests.memory': '65024Mi',
      memory: '65024Mi',
    })
  }
})

test('more kinds than are told apart are counted all the same', () => {
  const usages = new PodUsages()
  const all = Array.from({ length: 2_500 }, (_, i) => pod(i, `${i + 1}m`, '1Mi'))
  const sum = usages.sum(all)
  assert.equal(formatQuantity(sum['cpu'] ?? ''), '3126250m')
  assert.equal(formatQuantity(usages.sum(all)['memory'] ?? ''), '2500Mi')
})
