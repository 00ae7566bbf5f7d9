import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerStatus, PodStatus } from '../../api/kinds/core/v1.ts'
import { KubeletCounters } from '../counters.ts'
import { newEnds } from './ends.ts'

const common = { image: 'i', imageID: 'i', ready: false, restartCount: 0 }
const ended = (containerID: string, exitCode: number): ContainerStatus['state'] => ({
  terminated: { containerID, exitCode, reason: exitCode === 0 ? 'Completed' : 'Error' },
})
const of = (...containerStatuses: ContainerStatus[]): PodStatus => ({ containerStatuses })

test('an end is counted once, also when the container runs again before it was told', () => {
  const first = of({ ...common, name: 'c', state: ended('a', 1) })
  const again = of({ ...common, name: 'c', state: { running: {} }, lastState: ended('a', 1) as object })
  const second = of({ ...common, name: 'c', state: { running: {} }, lastState: ended('b', 0) as object })
  const end = { container_type: 'container', exit_code: '1', reason: 'Error' }
  assert.deepEqual(newEnds({}, first), [end])
  assert.deepEqual(newEnds(first, again), [])
  assert.deepEqual(newEnds(again, second), [{ ...end, exit_code: '0', reason: 'Completed' }])
})

test('counters stand under the names that are asked for', () => {
  const counters = new KubeletCounters()
  for (const signal of ['memory.available', 'memory.available', 'pid.available']) counters.count('evictions', { eviction_signal: signal })
  const values = Object.fromEntries(counters.metrics().map(({ name, samples }) => [name, samples.map(({ value }) => value)]))
  assert.deepEqual(
    [values['kubelet_evictions'], values['kubelet_started_pods_total'], values['kubelet_terminated_containers_total']],
    [[2, 1], [0], []],
  )
})
