import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeStatus } from '../../api/kinds/core/v1.ts'
import { pressureReasons } from './nodeEvents.ts'
import { isNews } from './statusNews.ts'

const status = (heartbeat: string, ready = 'True', more: NodeStatus = {}): NodeStatus => ({
  conditions: [{ type: 'Ready', status: ready, lastHeartbeatTime: `2026-01-01T${heartbeat}Z` }] as NodeStatus['conditions'] & object,
  capacity: { cpu: '2' },
  ...more,
})

test('a status is sent when it says something new, or when nothing was said for long', () => {
  const cases: [what: string, sent: NodeStatus | undefined, now: NodeStatus, expected: boolean][] = [
    ['the first', undefined, status('00:00:00'), true],
    ['a heartbeat alone', status('00:00:00'), status('00:03:59'), false],
    ['a heartbeat that is due', status('00:00:00'), status('00:04:00'), true],
    ['not ready', status('00:00:00'), status('00:00:01', 'False'), true],
    ['more capacity', status('00:00:00'), status('00:00:01', 'True', { capacity: { cpu: '3' } }), true],
    ['a new field', status('00:00:00'), status('00:00:01', 'True', { volumesInUse: ['v'] }), true],
    ["others' fields", status('00:00:00', 'True', { phase: 'Running' } as NodeStatus), status('00:00:01'), false],
    [
      "others' conditions",
      { ...status('00:00:00'), conditions: [...(status('00:00:00').conditions ?? []), { type: 'Mine', status: 'True' }] },
      status('00:00:01'),
      false,
    ],
  ]
  for (const [what, sent, now, expected] of cases) assert.equal(isNews(sent, now, { quietMs: 240_000 }), expected, what)
})

test('what events tell of pressures: what changed, and all of it of a new node', () => {
  assert.deepEqual(pressureReasons(undefined, []), ['NodeHasSufficientMemory', 'NodeHasNoDiskPressure', 'NodeHasSufficientPID'])
  assert.deepEqual(pressureReasons([], []), [])
  assert.deepEqual(pressureReasons(['DiskPressure'], ['MemoryPressure', 'DiskPressure']), ['NodeHasInsufficientMemory'])
  assert.deepEqual(pressureReasons(['DiskPressure', 'PIDPressure'], []), ['NodeHasNoDiskPressure', 'NodeHasSufficientPID'])
})
