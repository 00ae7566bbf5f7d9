/** apiserver_flowcontrol_*: read from the priority levels when somebody asks. */
import { Counter, Gauge, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'

/** What is told of a priority level. */
export interface LevelState {
  readonly name: string
  readonly nominal: number
  readonly lower: number
  readonly upper: number
  readonly used: number
  readonly executing: number
  readonly waiting: number
  readonly waitingSeats: number
  readonly dispatched: number
  readonly rejected: Readonly<Record<string, number>>
}

const WAIT_BUCKETS_SECONDS = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30]

export class FlowControlMetrics {
  readonly #wait: Histogram

  constructor(registry: Registry, levels: () => Iterable<LevelState>) {
    const gauge = (name: string, help: string, read: (level: LevelState) => number): void => {
      registry.registerMetric(
        new Gauge({
          name: `apiserver_flowcontrol_${name}`,
          help,
          registers: [],
          labelNames: ['priority_level'],
          collect() {
            this.reset()
            for (const level of levels()) this.set({ priority_level: level.name }, read(level))
          },
        }),
      )
    }
    gauge('nominal_limit_seats', 'Seats that each priority level has by its share.', ({ nominal }) => nominal)
    gauge('request_concurrency_limit', 'Seats that each priority level has by its share.', ({ nominal }) => nominal)
    gauge('lower_limit_seats', 'Seats that each priority level never lends.', ({ lower }) => lower)
    gauge('upper_limit_seats', 'Seats that each priority level may have with what it borrows.', ({ upper }) => upper)
    gauge('current_limit_seats', 'Seats that each priority level has now.', ({ nominal, used }) => Math.max(nominal, used))
    gauge('current_executing_requests', 'Requests that are served.', ({ executing }) => executing)
    gauge('current_executing_seats', 'Seats of the requests that are served.', ({ used }) => used)
    gauge('request_concurrency_in_use', 'Seats of the requests that are served.', ({ used }) => used)
    gauge('current_inqueue_requests', 'Requests that wait for a seat.', ({ waiting }) => waiting)
    gauge('current_inqueue_seats', 'Seats that the waiting requests need.', ({ waitingSeats }) => waitingSeats)
    registry.registerMetric(
      new Counter({
        name: 'apiserver_flowcontrol_dispatched_requests_total',
        help: 'Requests that got their seats.',
        registers: [],
        labelNames: ['priority_level'],
        collect() {
          this.reset()
          for (const { name, dispatched } of levels()) this.inc({ priority_level: name }, dispatched)
        },
      }),
    )
    registry.registerMetric(
      new Counter({
        name: 'apiserver_flowcontrol_rejected_requests_total',
        help: 'Requests that were refused, by reason.',
        registers: [],
        labelNames: ['priority_level', 'reason'],
        collect() {
          this.reset()
          for (const { name, rejected } of levels())
            for (const [reason, count] of Object.entries(rejected)) if (count > 0) this.inc({ priority_level: name, reason }, count)
        },
      }),
    )
    this.#wait = new Histogram({
      name: 'apiserver_flowcontrol_request_wait_duration_seconds',
      help: 'How long requests waited in a queue, of those that did.',
      registers: [registry],
      labelNames: ['priority_level', 'flow_schema', 'execute'],
      buckets: WAIT_BUCKETS_SECONDS,
    })
  }

  waited(level: string, schema: string, executed: boolean, seconds: number): void {
    this.#wait.observe({ priority_level: level, flow_schema: schema, execute: String(executed) }, seconds)
  }
}
