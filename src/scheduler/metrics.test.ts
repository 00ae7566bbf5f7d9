import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SchedulerMetrics } from './metrics.ts'

test('how long pods took is told by their attempts, from fifteen on together', async () => {
  const metrics = new SchedulerMetrics({
    queue: () => ({ active: 0, backoff: 0, unschedulable: 0, gated: 0 }),
    cache: () => ({ nodes: 0, pods: 0, assumedPods: 0 }),
    refusedByPlugin: () => new Map(),
    inFlightEvents: () => 0,
  })
  for (const attempts of [1, 14, 15, 16, 100]) metrics.scheduled(attempts, 0.01)
  const text = await metrics.registry.metrics()
  assert.deepEqual(text.match(/^scheduler_pod_scheduling_sli_duration_seconds_count.*$/gm), [
    'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="1"} 1',
    'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="14"} 1',
    'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="15+"} 3',
  ])
})
