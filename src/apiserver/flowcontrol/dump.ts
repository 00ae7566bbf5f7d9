/** What stands at each priority level and in its queues, as tables for people (upstream's /debug/api_priority_and_fairness). Pure. */
import type { LevelCounts, QueueState } from './priorityLevel.ts'

export interface DumpedLevel {
  readonly name: string
  readonly waiting: number
  readonly counts: LevelCounts
  readonly queues: readonly QueueState[]
}

const LEAST_WIDTH = 8
const LEVEL_COLUMNS = [
  'PriorityLevelName',
  'ActiveQueues',
  'IsIdle',
  'IsQuiescing',
  'WaitingRequests',
  'ExecutingRequests',
  'DispatchedRequests',
  'RejectedRequests',
  'TimedoutRequests',
  'CancelledRequests',
]
const QUEUE_COLUMNS = [
  'PriorityLevelName',
  'Index',
  'PendingRequests',
  'ExecutingRequests',
  'SeatsInUse',
  'NextDispatchR',
  'InitialSeatsSum',
  'MaxSeatsSum',
  'TotalWorkSum',
]

/** Columns that are aligned, with a comma behind all but the last. */
function table(rows: readonly (readonly (string | number | boolean)[])[]): string {
  const cells = rows.map((row) => row.map((cell, at) => (at === row.length - 1 ? String(cell) : `${cell},`)))
  const widths = (cells[0] ?? []).map((_, at) => Math.max(LEAST_WIDTH, ...cells.map((row) => (row[at] ?? '').length + 1)))
  return cells.map((row) => `${row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('')}\n`).join('')
}

function byName(levels: Iterable<DumpedLevel>): DumpedLevel[] {
  return [...levels].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

export function dumpPriorityLevels(levels: Iterable<DumpedLevel>): string {
  const rows = byName(levels).map(({ name, waiting, counts, queues }) => {
    const active = queues.filter((queue) => queue.waiting.length + queue.executing > 0).length
    const idle = waiting + counts.executing === 0
    return [
      ...[name, active, idle, false, waiting, counts.executing],
      ...[counts.dispatched, counts.rejected, counts.timedOut, counts.cancelled],
    ]
  })
  return table([LEVEL_COLUMNS, ...rows])
}

/** Seconds of seats, as upstream writes them. */
const seatSeconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(8)}ss`

/** `estimatedMs` is what a request is taken to last. */
export function dumpQueues(levels: Iterable<DumpedLevel>, estimatedMs: number): string {
  const rows = byName(levels).flatMap(({ name, queues }) =>
    queues.map(({ waiting, executing, executingSeats, waitingSeats, nextStart }, at) => [
      ...[name, at, waiting.length, executing, executingSeats, seatSeconds(nextStart)],
      ...[waitingSeats, waitingSeats, seatSeconds(waitingSeats * estimatedMs)],
    ]),
  )
  return table([QUEUE_COLUMNS, ...rows])
}
