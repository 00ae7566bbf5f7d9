import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerStatus, PodStatus } from '../../api/kinds/core/v1.ts'
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
