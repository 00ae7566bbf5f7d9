import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dumpPriorityLevels, dumpQueues } from './dump.ts'
import type { DumpedLevel } from './dump.ts'

const none = { executing: 0, dispatched: 0, rejected: 0, timedOut: 0, cancelled: 0 }
const queue = { waiting: [{}, {}], executing: 1, executingSeats: 4, waitingSeats: 5, nextStart: 1500 }
const LEVELS: readonly DumpedLevel[] = [
  { name: 'workload-low', waiting: 2, counts: { executing: 1, dispatched: 12, rejected: 3, timedOut: 2, cancelled: 1 }, queues: [queue] },
  { name: 'exempt', waiting: 0, counts: none, queues: [] },
]

test('levels and queues are tables', () => {
  assert.equal(
    dumpPriorityLevels(LEVELS),
    `PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing, WaitingRequests, ExecutingRequests, DispatchedRequests, RejectedRequests, TimedoutRequests, CancelledRequests
exempt,            0,            true,   false,       0,               0,                 0,                  0,                0,                0
workload-low,      1,            false,  false,       2,               1,                 12,                 3,                2,                1
`,
  )
  assert.equal(
    dumpQueues(LEVELS, 3),
    `PriorityLevelName, Index,  PendingRequests, ExecutingRequests, SeatsInUse, NextDispatchR, InitialSeatsSum, MaxSeatsSum, TotalWorkSum
workload-low,      0,      2,               1,                 4,          1.50000000ss,  5,               5,           0.01500000ss
`,
  )
})
