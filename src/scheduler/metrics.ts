/** The scheduler's metrics under upstream's names, so that dashboards for kube-scheduler work. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error'

export interface SchedulerMetricsSource {
  queue(): { active: number; backoff: number; unschedulable: number; gated: number }
  cache(): { nodes: number; pods: number; assumedPods: number }
  refusedByPlugin(): ReadonlyMap<string, number>
  inFlightEvents(): number
}

const exponential = (start: number, factor: number, count: number): number[] => Array.from({ length: count }, (_, i) => start * factor ** i)

/** From here on attempts are not told apart. */
const MANY_ATTEMPTS = 15

export class SchedulerMetrics {
  readonly registry = new Registry()
  readonly #attempts: Counter
  readonly #attemptSeconds: Histogram
  readonly #algorithmSeconds: Histogram
  readonly #sliSeconds: Histogram
  readonly #podAttempts: Histogram
  readonly #preemptions: Counter
  readonly #victims: Histogram
  readonly #incoming: Counter
  readonly #flushed: Counter

  constructor(source: SchedulerMetricsSource) {
    const registers = [this.registry]
    this.#attempts = new Counter({
      name: 'scheduler_schedule_attempts_total',
      help: "Attempts to schedule pods, by result: 'unschedulable' means that no node was found, 'error' that something failed.",
      labelNames: ['result', 'profile'],
      registers,
    })
    this.#attemptSeconds = new Histogram({
      name: 'scheduler_scheduling_attempt_duration_seconds',
      help: 'Latency of an attempt: algorithm and binding.',
      labelNames: ['result', 'profile'],
      buckets: exponential(0.001, 2, 15),
      registers,
    })
    this.#algorithmSeconds = new Histogram({
      name: 'scheduler_scheduling_algorithm_duration_seconds',
      help: 'Latency of the scheduling algorithm.',
      buckets: exponential(0.001, 2, 15),
      registers,
    })
    this.#sliSeconds = new Histogram({
      name: 'scheduler_pod_scheduling_sli_duration_seconds',
      help: 'From when a pod came to the queue until it was scheduled, over all its attempts.',
      labelNames: ['attempts'],
      buckets: exponential(0.01, 2, 20),
      registers,
    })
    this.#podAttempts = new Histogram({
      name: 'scheduler_pod_scheduling_attempts',
      help: 'Attempts that a pod needed.',
      buckets: exponential(1, 2, 5),
      registers,
    })
    this.#preemptions = new Counter({ name: 'scheduler_preemption_attempts_total', help: 'Attempts to preempt pods.', registers })
    this.#victims = new Histogram({
      name: 'scheduler_preemption_victims',
      help: 'Victims of one preemption.',
      buckets: exponential(1, 2, 7),
      registers,
    })
    this.#incoming = new Counter({
      name: 'scheduler_queue_incoming_pods_total',
      help: 'Pods that came to a queue, by event and queue.',
      labelNames: ['queue', 'event'],
      registers,
    })
    this.#flushed = new Counter({
      name: 'scheduler_pod_scheduled_after_flush_total',
      help: 'Pods tried again because they waited too long for a change.',
      registers,
    })
    this.#gauges(source)
  }

  #gauges(source: SchedulerMetricsSource): void {
    const gauge = (name: string, help: string, label: string, read: () => Iterable<readonly [string, number]>): void => {
      const made = new Gauge({
        name,
        help,
        labelNames: label ? [label] : [],
        registers: [this.registry],
        collect() {
          this.reset()
          for (const [value, amount] of read()) made.set(label ? { [label]: value } : {}, amount)
        },
      })
    }
    gauge('scheduler_pending_pods', 'Pods that wait, by queue.', 'queue', () => Object.entries(source.queue()))
    gauge('scheduler_cache_size', 'Nodes, pods and assumed pods in the cache.', 'type', () => {
      const { nodes, pods, assumedPods } = source.cache()
      return Object.entries({ nodes, pods, assumed_pods: assumedPods })
    })
    gauge('scheduler_unschedulable_pods', 'Pods that a plugin keeps waiting.', 'plugin', () => source.refusedByPlugin())
    gauge('scheduler_inflight_events', 'Events kept for pods that are being scheduled.', '', () => [['', source.inFlightEvents()]])
  }

  attempt(result: AttemptResult, profile: string, seconds: number): void {
    this.#attempts.inc({ result, profile })
    this.#attemptSeconds.observe({ result, profile }, seconds)
  }

  algorithm(seconds: number): void {
    this.#algorithmSeconds.observe(seconds)
  }

  scheduled(attempts: number, seconds: number): void {
    this.#podAttempts.observe(attempts)
    this.#sliSeconds.observe({ attempts: attempts < MANY_ATTEMPTS ? String(attempts) : `${MANY_ATTEMPTS}+` }, seconds)
  }

  preemption(what: 'attempt' | { victims: number }): void {
    if (what === 'attempt') this.#preemptions.inc()
    else this.#victims.observe(what.victims)
  }

  incoming(queue: string, event: string): void {
    this.#incoming.inc({ queue, event })
  }

  flushed(): void {
    this.#flushed.inc()
  }
}
