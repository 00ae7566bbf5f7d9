/** /metrics/cadvisor: what containers and node use, under cAdvisor's names, which dashboards ask for. Pure. */
import { cpus } from 'node:os'
import type { GroupStats } from '../runtime/cgroupStats.ts'
import { quantityMilli, quantityValue } from '../pods/amounts.ts'
import { podCgroup } from '../resources/qos.ts'
import { allSpecContainers } from '../pods/podSpec.ts'
import type { Metric } from '../metrics/exposition.ts'
import type { NetworkUse, NodeUsage, PodUsage } from './usage.ts'

/** One value of a group, or several that a label tells apart. */
interface Series {
  name: string
  type: 'counter' | 'gauge'
  help: string
  labels?: Readonly<Record<string, string>>
  valueOf: (stats: GroupStats) => number
}

const counter = (name: string, help: string, valueOf: Series['valueOf'], labels?: Series['labels']): Series => ({
  name,
  type: 'counter',
  help,
  valueOf,
  ...(labels && { labels }),
})
const gauge = (name: string, help: string, valueOf: Series['valueOf']): Series => ({ name, type: 'gauge', help, valueOf })

const ANY_DEVICE = { device: '' }
const SERIES: readonly Series[] = [
  counter('container_cpu_usage_seconds_total', 'Cumulative cpu time consumed in seconds.', (s) => s.cpuUsageNs / 1e9, { cpu: 'total' }),
  counter('container_cpu_user_seconds_total', 'Cumulative user cpu time consumed in seconds.', (s) => s.cpuUserNs / 1e9),
  counter('container_cpu_system_seconds_total', 'Cumulative system cpu time consumed in seconds.', (s) => s.cpuSystemNs / 1e9),
  counter('container_cpu_cfs_periods_total', 'Number of elapsed enforcement period intervals.', (s) => s.cpuPeriods),
  counter('container_cpu_cfs_throttled_periods_total', 'Number of throttled period intervals.', (s) => s.cpuThrottledPeriods),
  counter(
    'container_cpu_cfs_throttled_seconds_total',
    'Total time duration the container has been throttled.',
    (s) => s.cpuThrottledNs / 1e9,
  ),
  gauge('container_memory_usage_bytes', 'Current memory usage in bytes.', (s) => s.memoryUsageBytes),
  gauge('container_memory_working_set_bytes', 'Current working set in bytes.', (s) => s.memoryWorkingSetBytes),
  gauge('container_memory_rss', 'Size of RSS in bytes.', (s) => s.memoryRssBytes),
  gauge('container_memory_cache', 'Number of bytes of page cache memory.', (s) => s.memoryCacheBytes),
  gauge('container_memory_mapped_file', 'Size of memory mapped files in bytes.', (s) => s.memoryMappedBytes),
  gauge('container_memory_swap', 'Container swap usage in bytes.', (s) => s.memorySwapBytes),
  counter('container_memory_failures_total', 'Cumulative count of memory allocation failures.', (s) => s.pageFaults, {
    failure_type: 'pgfault',
    scope: 'hierarchy',
  }),
  counter('container_memory_failures_total', 'Cumulative count of memory allocation failures.', (s) => s.majorPageFaults, {
    failure_type: 'pgmajfault',
    scope: 'hierarchy',
  }),
  counter('container_fs_reads_total', 'Cumulative count of reads completed', (s) => s.reads, ANY_DEVICE),
  counter('container_fs_reads_bytes_total', 'Cumulative count of bytes read', (s) => s.readBytes, ANY_DEVICE),
  counter('container_fs_writes_total', 'Cumulative count of writes completed', (s) => s.writes, ANY_DEVICE),
  counter('container_fs_writes_bytes_total', 'Cumulative count of bytes written', (s) => s.writtenBytes, ANY_DEVICE),
  gauge('container_processes', 'Number of processes running inside the container.', (s) => s.processes),
]

const NETWORK: readonly [name: string, help: string, of: keyof NetworkUse][] = [
  ['receive_bytes', 'bytes received', 'rxBytes'],
  ['receive_packets', 'packets received', 'rxPackets'],
  ['receive_packets_dropped', 'packets dropped while receiving', 'rxDropped'],
  ['receive_errors', 'errors encountered while receiving', 'rxErrors'],
  ['transmit_bytes', 'bytes transmitted', 'txBytes'],
  ['transmit_packets', 'packets transmitted', 'txPackets'],
  ['transmit_packets_dropped', 'packets dropped while transmitting', 'txDropped'],
  ['transmit_errors', 'errors encountered while transmitting', 'txErrors'],
]

interface Row {
  labels: Readonly<Record<string, string>>
  /** The node's own row knows of some alone. */
  stats: Partial<GroupStats>
}

function rowsOf(node: NodeUsage, pods: readonly PodUsage[]): Row[] {
  const containers = pods.flatMap(({ pod, containers: own }) =>
    own.map(({ id, name, stats }): Row => {
      const { namespace, name: podName } = pod.metadata
      const image = pod.spec?.containers.find((spec) => spec.name === name)?.image ?? ''
      return { stats, labels: { container: name, id: `${podCgroup(pod)}/${id}`, image, name: id, namespace, pod: podName } }
    }),
  )
  const none = { container: '', image: '', name: '', namespace: '', pod: '' }
  const { cpuUsageNs, memoryUsageBytes, memoryWorkingSetBytes, memoryRssBytes } = node
  const whole: Row = { labels: { ...none, id: '/' }, stats: { cpuUsageNs, memoryUsageBytes, memoryWorkingSetBytes, memoryRssBytes } }
  return [whole, ...(node.pods ? [{ labels: { ...none, id: '/kubepods' }, stats: node.pods }] : []), ...containers]
}

/** As the spec has them. */
function limits(pods: readonly PodUsage[], rowOf: (id: string) => Row | undefined, nowMs: number): Metric[] {
  const of = (name: string, help: string, resource: string, kind: 'limits' | 'requests', valueOf: (amount: string) => number): Metric => ({
    name,
    type: 'gauge',
    help,
    samples: pods.flatMap(({ pod, containers }) =>
      containers.flatMap(({ id, name: container }) => {
        const spec = allSpecContainers(pod).find((of) => of.name === container)
        const amount = spec?.resources?.[kind]?.[resource]
        const labels = rowOf(id)?.labels
        return amount === undefined || !labels ? [] : [{ labels, value: valueOf(amount), atMs: nowMs }]
      }),
    ),
  })
  return [
    of('container_spec_cpu_period', 'CPU period of the container.', 'cpu', 'limits', () => 100_000),
    of('container_spec_cpu_quota', 'CPU quota of the container.', 'cpu', 'limits', (cores) => quantityMilli(cores) * 100),
    of('container_spec_cpu_shares', 'CPU share of the container.', 'cpu', 'requests', (cores) =>
      Math.max(2, Math.floor((quantityMilli(cores) * 1024) / 1000)),
    ),
    of('container_spec_memory_limit_bytes', 'Memory limit for the container.', 'memory', 'limits', quantityValue),
  ]
}

export function cadvisorMetrics(node: NodeUsage, pods: readonly PodUsage[], nowMs: number): Metric[] {
  const rows = rowsOf(node, pods)
  const byId = new Map(rows.map((row) => [row.labels.name ?? '', row]))
  const metrics = new Map<string, { metric: Metric; samples: Metric['samples'][number][] }>()
  for (const { name, type, help, labels, valueOf } of SERIES) {
    const samples = metrics.get(name)?.samples ?? []
    for (const row of rows) {
      const value = valueOf(row.stats as GroupStats)
      if (Number.isFinite(value)) samples.push({ labels: { ...row.labels, ...labels }, value, atMs: nowMs })
    }
    metrics.set(name, { metric: { name, type, help, samples }, samples })
  }
  const network = NETWORK.map(([name, help, of]): Metric => {
    const samples = pods.flatMap(({ pod: { metadata }, network: use }) =>
      use ? [{ labels: { interface: 'eth0', namespace: metadata.namespace, pod: metadata.name }, value: use[of], atMs: nowMs }] : [],
    )
    return { name: `container_network_${name}_total`, type: 'counter', help: `Cumulative count of ${help}`, samples }
  })
  const startTimes = pods.flatMap(({ containers }) =>
    containers.flatMap(({ id, startedAtMs }) => {
      const labels = byId.get(id)?.labels
      return labels ? [{ labels, value: startedAtMs / 1000, atMs: nowMs }] : []
    }),
  )
  return [
    { name: 'machine_cpu_cores', type: 'gauge', help: 'Number of logical CPU cores.', samples: [{ value: cpus().length }] },
    {
      name: 'machine_memory_bytes',
      type: 'gauge',
      help: 'Amount of memory installed on the machine.',
      samples: [{ value: node.memoryCapacityBytes }],
    },
    ...[...metrics.values()].map(({ metric }) => metric),
    {
      name: 'container_start_time_seconds',
      type: 'gauge',
      help: 'Start time of the container since unix epoch in seconds.',
      samples: startTimes,
    },
    ...limits(pods, (id) => byId.get(id), nowMs),
    ...network,
  ]
}
