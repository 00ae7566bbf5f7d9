/** The server's own metrics, under upstream's names, so that dashboards and alerts for kube-apiserver work. */
import { Counter, Gauge, Registry } from 'prom-client'
import { TalliedCounter, TalliedHistogram } from './tallies.ts'
import type { Distribution, Tally } from './tallies.ts'

export interface RequestLabels {
  verb: string
  group: string
  version: string
  resource: string
  subresource: string
  scope: 'cluster' | 'namespace' | 'resource' | ''
}

const LATENCY_BUCKETS_SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const LABELS = ['verb', 'group', 'version', 'resource', 'subresource', 'scope'] as const

/** `escaping` tells a scraper how names were made plain; upstream's library adds it. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'

/** Read when somebody asks; prom-client's own set samples all the time, and idle has to mean idle. */
function processMetrics(registry: Registry): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read())
        },
      }),
    )
  }
  gauge('process_resident_memory_bytes', 'Resident memory in bytes.', () => process.memoryUsage.rss())
  gauge('process_start_time_seconds', 'When the process started, in seconds since the epoch.', () =>
    Math.round(Date.now() / 1000 - process.uptime()),
  )
  gauge('process_cpu_seconds_total', 'User and system CPU time in seconds.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
}

/** What is counted of the requests that have the same labels. */
interface RequestRow {
  duration: Distribution
  size: Distribution | undefined
  byCode: Map<number, Tally>
}

export class Metrics {
  readonly registry = new Registry()
  readonly #requests = new TalliedCounter({
    name: 'apiserver_request_total',
    help: 'Requests by verb, dry run, group, version, resource, scope and HTTP code.',
  })
  readonly #duration = new TalliedHistogram({
    name: 'apiserver_request_duration_seconds',
    buckets: LATENCY_BUCKETS_SECONDS,
    help: 'How long requests took, by verb, group, version, resource and scope.',
  })
  readonly #size = new TalliedHistogram({
    name: 'apiserver_response_sizes',
    buckets: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
    help: 'Sizes of answers in bytes.',
  })
  /** By their labels, of which there are only so many. */
  readonly #rows = new Map<string, RequestRow>()
  readonly #inFlightCount = { mutating: 0, readOnly: 0 }
  readonly #longRunning: Gauge
  readonly #watchEvents: Counter

  constructor(objects: { all(): ReadonlyMap<string, number> }) {
    const registers = [this.registry]
    processMetrics(this.registry)
    for (const name of ['apiserver_storage_objects']) {
      this.registry.registerMetric(
        new Gauge({
          name,
          registers: [],
          labelNames: ['resource'],
          help: 'Stored objects by resource.',
          collect() {
            this.reset()
            for (const [resource, count] of objects.all()) this.set({ resource }, count)
          },
        }),
      )
    }
    for (const metric of [this.#requests, this.#duration, this.#size]) metric.register(this.registry)
    const inFlight = this.#inFlightCount
    this.registry.registerMetric(
      new Gauge({
        name: 'apiserver_current_inflight_requests',
        registers: [],
        labelNames: ['request_kind'],
        help: 'Requests being served, by kind.',
        collect() {
          for (const [kind, count] of Object.entries(inFlight)) this.set({ request_kind: kind }, count)
        },
      }),
    )
    this.#longRunning = new Gauge({
      name: 'apiserver_longrunning_requests',
      registers,
      labelNames: [...LABELS, 'component'],
      help: 'Watches and streams being served.',
    })
    this.#watchEvents = new Counter({
      name: 'apiserver_watch_events_total',
      registers,
      labelNames: ['group', 'version', 'resource'],
      help: 'Events sent to watchers.',
    })
  }

  finished(labels: RequestLabels, code: number, seconds: number, sizeBytes: number): void {
    const row = this.#rowOf(labels)
    row.duration.observe(seconds)
    if (sizeBytes > 0) (row.size ??= this.#size.row({ ...labels, component: 'apiserver' })).observe(sizeBytes)
    let answers = row.byCode.get(code)
    if (!answers) {
      answers = this.#requests.row({ ...labels, component: 'apiserver', code, dry_run: '' })
      row.byCode.set(code, answers)
    }
    answers.add()
  }

  #rowOf(labels: RequestLabels): RequestRow {
    const { verb, group, version, resource, subresource, scope } = labels
    const key = `${verb}/${scope}/${group}/${version}/${resource}/${subresource}`
    let row = this.#rows.get(key)
    if (!row) {
      const duration = this.#duration.row({ ...labels, component: 'apiserver', dry_run: '' })
      this.#rows.set(key, (row = { duration, size: undefined, byCode: new Map() }))
    }
    return row
  }

  inFlight(kind: 'mutating' | 'readOnly', change: 1 | -1): void {
    this.#inFlightCount[kind] += change
  }

  /** Answers what ends the count. */
  longRunning(labels: RequestLabels): () => void {
    const all = { ...labels, component: 'apiserver' }
    this.#longRunning.inc(all)
    return () => this.#longRunning.dec(all)
  }

  watchEvents(resource: { group: string; version: string; resource: string }, count: number): void {
    this.#watchEvents.inc({ group: resource.group, version: resource.version, resource: resource.resource }, count)
  }

  text(): Promise<string> {
    return this.registry.metrics()
  }
}
