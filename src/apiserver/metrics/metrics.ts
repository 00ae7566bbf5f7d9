/** The server's own metrics, under upstream's names, so that dashboards and alerts for kube-apiserver work. */
import { Counter, Gauge, Registry } from 'prom-client'
import { processMetrics } from '../../client/metrics/processMetrics.ts'
import { TalliedCounter, TalliedHistogram } from '../../client/metrics/tallies.ts'
import type { Distribution, Tally } from '../../client/metrics/tallies.ts'

export interface RequestLabels {
  verb: string
  group: string
  version: string
  resource: string
  subresource: string
  scope: 'cluster' | 'namespace' | 'resource' | ''
}

const LATENCY_BUCKETS_SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const UNPROMISED = new Set(['WATCH', 'CONNECT'])
const LABELS = ['verb', 'group', 'version', 'resource', 'subresource', 'scope'] as const

/** `escaping` tells a scraper how names were made plain; upstream's library adds it. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'

/** By upstream's name of today, and by the one that it gives up. */
function objectMetrics(registry: Registry, objects: { all(): ReadonlyMap<string, number> }): void {
  const gauge = (name: string, labelNames: string[], labelsOf: (resource: string) => Record<string, string>): void =>
    registry.registerMetric(
      new Gauge({
        name,
        labelNames,
        registers: [],
        help: 'Stored objects by resource.',
        collect() {
          this.reset()
          for (const [resource, count] of objects.all()) this.set(labelsOf(resource), count)
        },
      }),
    )
  gauge('apiserver_storage_objects', ['resource'], (resource) => ({ resource }))
  gauge('apiserver_resource_objects', ['group', 'resource'], (qualified) => {
    const [resource = '', ...group] = qualified.split('.')
    return { group: group.join('.'), resource }
  })
}

/** What is counted of the requests that have the same labels. */
interface RequestRow {
  duration: Distribution
  /** Of what a service level can be promised for: not of watches and streams. */
  sli: Distribution | undefined
  size: Distribution | undefined
  byCode: Map<number, Tally>
  terminated: Map<number, Tally>
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
  readonly #sli = new TalliedHistogram({
    name: 'apiserver_request_sli_duration_seconds',
    buckets: LATENCY_BUCKETS_SECONDS,
    help: 'How long requests took without the time that they waited for their turn.',
  })
  readonly #terminations = new TalliedCounter({
    name: 'apiserver_request_terminations_total',
    help: 'Requests that the server gave up to protect itself, by HTTP code.',
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
  readonly #deprecated: Gauge

  constructor(objects: { all(): ReadonlyMap<string, number> }) {
    const registers = [this.registry]
    processMetrics(this.registry)
    objectMetrics(this.registry, objects)
    for (const metric of [this.#requests, this.#duration, this.#sli, this.#terminations, this.#size]) metric.register(this.registry)
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
    this.#deprecated = new Gauge({
      name: 'apiserver_requested_deprecated_apis',
      registers,
      labelNames: ['group', 'version', 'resource', 'subresource', 'removed_release'],
      help: 'Deprecated APIs that were asked for.',
    })
  }

  deprecatedUse(resource: { group: string; version: string; resource: string }, subresource: string): void {
    this.#deprecated.set(
      { group: resource.group, version: resource.version, resource: resource.resource, subresource, removed_release: '' },
      1,
    )
  }

  /** `waitedSeconds` of the time are those before its turn. */
  finished(labels: RequestLabels, code: number, seconds: number, waitedSeconds: number, sizeBytes: number): void {
    const row = this.#rowOf(labels)
    row.duration.observe(seconds)
    row.sli?.observe(seconds - waitedSeconds)
    if (sizeBytes > 0) (row.size ??= this.#size.row({ ...labels, component: 'apiserver' })).observe(sizeBytes)
    let answers = row.byCode.get(code)
    if (!answers) {
      answers = this.#requests.row({ ...labels, component: 'apiserver', code, dry_run: '' })
      row.byCode.set(code, answers)
    }
    answers.add()
  }

  /** The server gave a request up: there were too many, or it took too long. */
  terminated(labels: RequestLabels, code: number): void {
    const row = this.#rowOf(labels)
    let tally = row.terminated.get(code)
    if (!tally) row.terminated.set(code, (tally = this.#terminations.row({ ...labels, component: 'apiserver', code })))
    tally.add()
  }

  #rowOf(labels: RequestLabels): RequestRow {
    const { verb, group, version, resource, subresource, scope } = labels
    const key = `${verb}/${scope}/${group}/${version}/${resource}/${subresource}`
    let row = this.#rows.get(key)
    if (!row) {
      const duration = this.#duration.row({ ...labels, component: 'apiserver', dry_run: '' })
      const sli = UNPROMISED.has(verb) ? undefined : this.#sli.row({ ...labels, component: 'apiserver' })
      this.#rows.set(key, (row = { duration, sli, size: undefined, byCode: new Map(), terminated: new Map() }))
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
