/**
 * What the kubelet counts and times while it runs, under upstream's names, so that dashboards and alerts made for it work
 * (kubernetes-mixin's "Kubelet" among them).
 */
import type { Clock } from '../../base/clock.ts'
import { Distribution } from '../../client/metrics/tallies.ts'
import type { Metric } from './exposition.ts'

const COUNTERS = {
  kubelet_admission_rejections_total: 'Cumulative number pod admission rejections by the Kubelet.',
  kubelet_evictions: 'Cumulative number of pod evictions by eviction signal',
  kubelet_http_requests_total: 'Number of the http requests received since the server started',
  kubelet_image_garbage_collected_total:
    'Total number of images garbage collected by the kubelet, whether through disk usage or image age.',
  kubelet_image_manager_ensure_image_requests_total: 'Number of ensure-image requests processed by the kubelet.',
  kubelet_imagemanager_image_mustpull_checks_total:
    'Counter for how many times kubelet checked whether credentials need to be re-verified to access an image',
  kubelet_preemptions: 'Cumulative number of pod preemptions by preemption resource',
  kubelet_run_podsandbox_errors_total: 'Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler.',
  kubelet_runtime_operations_errors_total: 'Cumulative number of runtime operation errors by operation type.',
  kubelet_runtime_operations_total: 'Cumulative number of runtime operations by operation type.',
  kubelet_started_containers_errors_total: 'Cumulative number of errors when starting containers',
  kubelet_started_containers_total: 'Cumulative number of containers started',
  kubelet_started_pods_errors_total: 'Cumulative number of errors when starting pods',
  kubelet_started_pods_total: 'Cumulative number of pods started',
  kubelet_terminated_containers_total: 'Cumulative number of container terminations.',
} as const

const USUAL = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const POD_STARTS = [0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600]
const RUNTIME_OPERATIONS = Array.from({ length: 14 }, (_, i) => Number((0.005 * 2.5 ** i).toPrecision(12)))

/** From a tenth of a second to forty, evenly in their logarithms. */
const DRA_CALLS = Array.from({ length: 15 }, (_, i) => Number((0.1 * 400 ** (i / 14)).toPrecision(12)))

const HISTOGRAMS = {
  dra_grpc_operations_duration_seconds: ['Duration in seconds of the DRA gRPC operations', DRA_CALLS],
  dra_operations_duration_seconds: [
    'Latency histogram in seconds for the duration of handling all ResourceClaims referenced by a pod when the pod starts or stops.',
    DRA_CALLS,
  ],
  kubelet_cgroup_manager_duration_seconds: ['Duration in seconds for cgroup manager operations. Broken down by method.', USUAL],
  kubelet_http_requests_duration_seconds: ['Duration in seconds to serve http requests', USUAL],
  kubelet_image_pull_duration_seconds: [
    'Duration in seconds to pull an image.',
    [1, 5, 10, 20, 30, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600],
  ],
  kubelet_pleg_relist_duration_seconds: ["Duration in seconds for reading a pod's containers from the runtime.", USUAL],
  kubelet_pleg_relist_interval_seconds: ["Interval in seconds between two readings of pods' containers from the runtime.", USUAL],
  kubelet_pod_start_duration_seconds: [
    'Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run',
    POD_STARTS,
  ],
  kubelet_pod_start_sli_duration_seconds: [
    'Duration in seconds to start a pod, excluding time to pull images and run init containers, from its creation until its containers are seen to run on the watch',
    POD_STARTS,
  ],
  kubelet_pod_start_total_duration_seconds: [
    'Duration in seconds to start a pod since its creation, with pulling images and running init containers, until its containers are seen to run on the watch',
    POD_STARTS,
  ],
  kubelet_pod_status_sync_duration_seconds: [
    'Duration in seconds to sync a pod status update.',
    [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 20, 30, 45, 60],
  ],
  kubelet_pod_worker_duration_seconds: ['Duration in seconds to sync a single pod. Broken down by operation type.', USUAL],
  kubelet_pod_worker_start_duration_seconds: ['Duration in seconds from kubelet seeing a pod to starting a worker.', USUAL],
  storage_operation_duration_seconds: ['Storage operation duration', [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600]],
  kubelet_runtime_operations_duration_seconds: ['Duration in seconds of runtime operations by operation type.', RUNTIME_OPERATIONS],
} as const satisfies Record<string, readonly [help: string, bounds: readonly number[]]>

const GAUGES = {
  kubelet_imagemanager_ondisk_pulledrecords: 'Number of ImagePulledRecords stored on disk.',
  kubelet_imagemanager_ondisk_pullintents: 'Number of ImagePullIntents stored on disk.',
  dra_resource_claims_in_use:
    'The number of ResourceClaims that are currently in use on the node, by driver name; <any> stands for all of them.',
  kubelet_first_network_pod_start_sli_duration_seconds:
    'Duration in seconds to start the first pod with a network of its own, excluding time to pull images and run init containers',
  volume_manager_total_volumes: 'Number of volumes in Volume Manager',
  kubelet_graceful_shutdown_start_time_seconds: 'Last graceful shutdown start time since unix epoch in seconds',
  kubelet_graceful_shutdown_end_time_seconds: 'Last graceful shutdown end time since unix epoch in seconds',
  kubelet_pleg_last_seen_seconds: 'Timestamp in seconds when containers were last read from the runtime.',
} as const

export type CounterName = keyof typeof COUNTERS
export type HistogramName = keyof typeof HISTOGRAMS
export type GaugeName = keyof typeof GAUGES
type Labels = Readonly<Record<string, string>>

/** Rows of one metric by their labels. */
class Rows<Row> {
  readonly #rows = new Map<string, { labels: Labels; row: Row }>()
  readonly #make: () => Row

  constructor(make: () => Row) {
    this.#make = make
  }

  of(labels: Labels): Row {
    const key = JSON.stringify(labels)
    let found = this.#rows.get(key)
    if (!found) this.#rows.set(key, (found = { labels, row: this.#make() }))
    return found.row
  }

  all(): { labels: Labels; row: Row }[] {
    return [...this.#rows.values()]
  }
}

export class KubeletMeasures {
  readonly #clock: Pick<Clock, 'now'>
  readonly #counters = new Map<CounterName, Rows<{ value: number }>>()
  readonly #histograms = new Map<HistogramName, Rows<Distribution>>()
  readonly #gauges = new Map<GaugeName, Rows<{ value: number }>>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
    // Those without labels are there from the beginning.
    for (const name of ['kubelet_started_pods_total', 'kubelet_started_pods_errors_total'] as const) this.#counter(name).of({})
  }

  count(name: CounterName, labels: Labels = {}): void {
    this.#counter(name).of(labels).value++
  }

  observe(name: HistogramName, seconds: number, labels: Labels = {}): void {
    let rows = this.#histograms.get(name)
    if (!rows) this.#histograms.set(name, (rows = new Rows(() => new Distribution(HISTOGRAMS[name][1]))))
    rows.of(labels).observe(seconds)
  }

  /** What has passed since then. */
  observeSince(name: HistogramName, sinceMs: number, labels: Labels = {}): void {
    this.observe(name, Math.max(0, this.#clock.now() - sinceMs) / 1000, labels)
  }

  set(name: GaugeName, value: number, labels: Labels = {}): void {
    let rows = this.#gauges.get(name)
    if (!rows) this.#gauges.set(name, (rows = new Rows(() => ({ value: 0 }))))
    rows.of(labels).value = value
  }

  metrics(): Metric[] {
    const counters = [...this.#counters].map(([name, rows]): Metric => {
      const samples = rows.all().map(({ labels, row }) => ({ labels, value: row.value }))
      return { name, type: 'counter', help: `[ALPHA] ${COUNTERS[name]}`, samples }
    })
    const gauges = [...this.#gauges].map(([name, rows]): Metric => {
      const samples = rows.all().map(({ labels, row }) => ({ ...(Object.keys(labels).length > 0 && { labels }), value: row.value }))
      return { name, type: 'gauge', help: `[ALPHA] ${GAUGES[name]}`, samples }
    })
    const histograms = [...this.#histograms].map(([name, rows]): Metric => {
      const samples = rows.all().flatMap(({ labels, row }) => [...row.values(name, labels)])
      return { name, type: 'histogram', help: `[ALPHA] ${HISTOGRAMS[name][0]}`, samples }
    })
    return [...counters, ...gauges, ...histograms].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  #counter(name: CounterName): Rows<{ value: number }> {
    let rows = this.#counters.get(name)
    if (!rows) this.#counters.set(name, (rows = new Rows(() => ({ value: 0 }))))
    return rows
  }
}
