import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod, Service } from '../../api/kinds/core/v1.ts'
import { TRIGGER_TIME, TriggerTimes, withTriggerTime } from './triggerTimes.ts'

const at = (second: number): string => `2026-01-01T00:00:0${second}Z`
const service = (second: number): Service =>
  ({ metadata: { name: 's', namespace: 'ns', creationTimestamp: at(second) } }) as unknown as Service
const pod = (name: string, second: number): Pod =>
  ({
    metadata: { name, namespace: 'ns' },
    status: { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: at(second) }] },
  }) as unknown as Pod

test('the earliest change since the last look counts', () => {
  const times = new TriggerTimes()
  assert.equal(times.look('ns/s', service(3), [pod('a', 2), pod('b', 4)]), at(2))
  assert.equal(times.look('ns/s', service(3), [pod('a', 2), pod('b', 4)]), undefined)
  assert.equal(times.look('ns/s', service(3), [pod('a', 6), pod('b', 5)]), at(5))
  assert.equal(times.look('ns/s', service(3), [pod('a', 6)]), undefined, 'one that is gone has no time')
  assert.equal(times.look('ns/s', service(7), [pod('a', 6)]), at(7), 'another Service of the name')
  times.forget('ns/s')
  assert.equal(times.look('ns/s', service(7), [pod('a', 6)]), at(6))
})

test('what is written without a time has none', () => {
  assert.deepEqual(withTriggerTime({ [TRIGGER_TIME]: at(1), x: 'y' }, undefined), { x: 'y' })
  assert.deepEqual(withTriggerTime(undefined, at(2)), { [TRIGGER_TIME]: at(2) })
})
