/** workqueue_*: what client-go's work queues tell of themselves, by the queue's name. */
import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import { TalliedCounter, TalliedHistogram } from './tallies.ts'
import type { Distribution, Tally } from './tallies.ts'

/** 10 ns to 1,000 s. */
const BUCKETS_SECONDS = Array.from({ length: 12 }, (_, i) => Number(`1e${i - 8}`))

/** What a queue reports. Times are in seconds. */
export interface QueueObserver {
  readonly added: Tally
  readonly retried: Tally
  readonly waited: Distribution
  readonly worked: Distribution
}

/** What a queue is asked when somebody looks. */
export interface ObservedQueue {
  readonly length: number
  /** Since when its keys are in work, in milliseconds by `performance.now()`. */
  readonly startedMs: Iterable<number>
}

export class QueueMetrics {
  readonly #queues = new Map<string, ObservedQueue>()
  readonly #observers = new Map<string, QueueObserver>()
  readonly #adds = new TalliedCounter({ name: 'workqueue_adds_total', help: 'Keys that were added.' })
  readonly #retries = new TalliedCounter({ name: 'workqueue_retries_total', help: 'Keys that were added again after a failure.' })
  readonly #waited = new TalliedHistogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long keys wait before they are worked on.',
    buckets: BUCKETS_SECONDS,
  })
  readonly #worked = new TalliedHistogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long keys are worked on.',
    buckets: BUCKETS_SECONDS,
  })

  register(registry: Registry): void {
    for (const metric of [this.#adds, this.#retries, this.#waited, this.#worked]) metric.register(registry)
    const queues = this.#queues
    const gauge = (name: string, help: string, read: (queue: ObservedQueue) => number): void => {
      registry.registerMetric(
        new Gauge({
          name,
          help,
          registers: [],
          labelNames: ['name'],
          collect() {
            this.reset()
            for (const [queueName, queue] of queues) this.set({ name: queueName }, read(queue))
          },
        }),
      )
    }
    const seconds = (startMs: number): number => (performance.now() - startMs) / 1000
    gauge('workqueue_depth', 'Keys that wait.', (queue) => queue.length)
    gauge('workqueue_unfinished_work_seconds', 'For how long keys are being worked on, in sum.', ({ startedMs }) =>
      [...startedMs].reduce((sum, startMs) => sum + seconds(startMs), 0),
    )
    gauge('workqueue_longest_running_processor_seconds', 'For how long the first of them is.', ({ startedMs }) =>
      [...startedMs].reduce((longest, startMs) => Math.max(longest, seconds(startMs)), 0),
    )
  }

  /** A queue that comes again under its name goes on where its predecessor was. */
  observe(name: string, queue: ObservedQueue): QueueObserver {
    this.#queues.set(name, queue)
    let observer = this.#observers.get(name)
    if (!observer) {
      const labels = { name }
      observer = {
        added: this.#adds.row(labels),
        retried: this.#retries.row(labels),
        waited: this.#waited.row(labels),
        worked: this.#worked.row(labels),
      }
      this.#observers.set(name, observer)
    }
    return observer
  }
}
