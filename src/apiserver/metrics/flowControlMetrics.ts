/** apiserver_flowcontrol_*: of priority levels, read when somebody asks, and of the flows of each schema, counted as they go. */
import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import { TalliedCounter, TalliedHistogram } from '../../client/metrics/tallies.ts'
import type { Distribution, Tally } from '../../client/metrics/tallies.ts'

/** What is told of a priority level. */
export interface LevelState {
  readonly name: string
  readonly nominal: number
  readonly lower: number
  readonly upper: number
  readonly used: number
}

const WAIT_BUCKETS_SECONDS = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30]
const SEAT_BUCKETS = [1, 2, 4, 10]

const PREFIX = 'apiserver_flowcontrol_'

/** What is counted of the requests of one schema at one level. */
export interface FlowState {
  readonly labels: Readonly<{ priority_level: string; flow_schema: string }>
  executing: number
  executingSeats: number
  waiting: number
  waitingSeats: number
  readonly dispatched: Tally
  readonly estimatedSeats: Distribution
  readonly executed: Distribution
  /** Of those that got their seats, and of those that did not. */
  readonly waited: Distribution
  readonly waitedInVain: Distribution
}

export class FlowControlMetrics {
  readonly #flows = new Map<string, FlowState>()
  readonly #rejected = new Map<string, Tally>()
  readonly #dispatched = new TalliedCounter({ name: `${PREFIX}dispatched_requests_total`, help: 'Requests that got their seats.' })
  readonly #rejections = new TalliedCounter({ name: `${PREFIX}rejected_requests_total`, help: 'Requests that were refused, by reason.' })
  readonly #waits = new TalliedHistogram({
    name: `${PREFIX}request_wait_duration_seconds`,
    help: 'How long requests waited for their seats.',
    buckets: WAIT_BUCKETS_SECONDS,
  })
  readonly #executions = new TalliedHistogram({
    name: `${PREFIX}request_execution_seconds`,
    help: 'How long requests held their seats.',
    buckets: WAIT_BUCKETS_SECONDS,
  })
  readonly #seats = new TalliedHistogram({
    name: `${PREFIX}work_estimated_seats`,
    help: 'How many seats requests needed.',
    buckets: SEAT_BUCKETS,
  })

  constructor(registry: Registry, levels: () => Iterable<LevelState>) {
    for (const metric of [this.#dispatched, this.#rejections, this.#waits, this.#executions, this.#seats]) metric.register(registry)
    const gauge = (name: string, help: string, labelNames: string[], rows: () => Iterable<[Record<string, string>, number]>): void => {
      registry.registerMetric(
        new Gauge({
          name: PREFIX + name,
          help,
          registers: [],
          labelNames,
          collect() {
            this.reset()
            for (const [labels, value] of rows()) this.set(labels, value)
          },
        }),
      )
    }
    const ofLevels = (name: string, help: string, read: (level: LevelState) => number): void =>
      gauge(name, help, ['priority_level'], () => [...levels()].map((level) => [{ priority_level: level.name }, read(level)]))
    ofLevels('nominal_limit_seats', 'Seats that each priority level has by its share.', ({ nominal }) => nominal)
    ofLevels('lower_limit_seats', 'Seats that each priority level never lends.', ({ lower }) => lower)
    ofLevels('upper_limit_seats', 'Seats that each priority level may have with what it borrows.', ({ upper }) => upper)
    ofLevels('current_limit_seats', 'Seats that each priority level has now.', ({ nominal, used }) => Math.max(nominal, used))
    ofLevels('target_seats', 'Seats that each priority level is to have.', ({ nominal, used }) => Math.max(nominal, used))
    const flows = this.#flows
    const ofFlows = (name: string, help: string, read: (flow: FlowState) => number): void =>
      gauge(name, help, ['priority_level', 'flow_schema'], () => [...flows.values()].map((flow) => [flow.labels, read(flow)]))
    ofFlows('current_executing_requests', 'Requests that are served.', ({ executing }) => executing)
    ofFlows('current_executing_seats', 'Seats of the requests that are served.', ({ executingSeats }) => executingSeats)
    ofFlows('current_inqueue_requests', 'Requests that wait for a seat.', ({ waiting }) => waiting)
    ofFlows('current_inqueue_seats', 'Seats that the waiting requests need.', ({ waitingSeats }) => waitingSeats)
  }

  /** By their names, of which the configuration has only so many. */
  flow(level: string, schema: string): FlowState {
    const key = `${level}/${schema}`
    let state = this.#flows.get(key)
    if (!state) {
      const labels = { priority_level: level, flow_schema: schema }
      state = {
        labels,
        executing: 0,
        executingSeats: 0,
        waiting: 0,
        waitingSeats: 0,
        dispatched: this.#dispatched.row(labels),
        estimatedSeats: this.#seats.row(labels),
        executed: this.#executions.row({ ...labels, type: 'regular' }),
        waited: this.#waits.row({ ...labels, execute: 'true' }),
        waitedInVain: this.#waits.row({ ...labels, execute: 'false' }),
      }
      this.#flows.set(key, state)
    }
    return state
  }

  rejected({ labels }: FlowState, reason: string): void {
    const key = `${labels.priority_level}/${labels.flow_schema}/${reason}`
    let tally = this.#rejected.get(key)
    if (!tally) this.#rejected.set(key, (tally = this.#rejections.row({ ...labels, reason })))
    tally.add()
  }
}
