/** /metrics and /metrics/probes: what the kubelet tells of itself, of its pods' volumes and of probes. Pure. */
import type { ProbeCount } from '../probes/podProbes.ts'
import type { Metric } from '../metrics/exposition.ts'
import type { Space } from '../volumes/space.ts'
import type { VolumeUse } from '../volumes/volumeStats.ts'
import type { PodUsage } from './usage.ts'

const metric = (name: string, type: Metric['type'], help: string, samples: Metric['samples']): Metric => ({ name, type, help, samples })

export interface ProcessFacts {
  cpuSeconds: number
  residentBytes: number
  startedAtMs: number
}

export function kubeletMetrics(nodeName: string, pods: readonly PodUsage[], process: ProcessFacts): Metric[] {
  const running = pods.filter(({ containers }) => containers.length > 0)
  const containers = running.reduce((sum, pod) => sum + pod.containers.length, 0)
  return [
    metric('kubelet_node_name', 'gauge', "[ALPHA] The node's name. The count is always 1.", [{ labels: { node: nodeName }, value: 1 }]),
    metric('kubelet_running_pods', 'gauge', '[STABLE] Number of pods that have a running pod sandbox', [{ value: running.length }]),
    metric('kubelet_running_containers', 'gauge', '[STABLE] Number of containers currently running', [
      { labels: { container_state: 'running' }, value: containers },
    ]),
    metric('process_cpu_seconds_total', 'counter', 'Total user and system CPU time spent in seconds.', [{ value: process.cpuSeconds }]),
    metric('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.', [{ value: process.residentBytes }]),
    metric('process_start_time_seconds', 'gauge', 'Start time of the process since unix epoch in seconds.', [
      { value: process.startedAtMs / 1000 },
    ]),
  ]
}

const VOLUME_STATS: readonly [name: string, of: keyof Space, help: string][] = [
  ['capacity_bytes', 'capacityBytes', 'Capacity in bytes of the volume'],
  ['available_bytes', 'availableBytes', 'Number of available bytes in the volume'],
  ['used_bytes', 'usedBytes', 'Number of used bytes in the volume'],
  ['inodes', 'inodes', 'Maximum number of inodes in the volume'],
  ['inodes_free', 'inodesFree', 'Number of free inodes in the volume'],
  ['inodes_used', 'inodesUsed', 'Number of used inodes in the volume'],
]

/** Of claims; one that several pods mount is told once. */
export function volumeMetrics(pods: readonly { namespace: string; volumes: readonly VolumeUse[] }[]): Metric[] {
  const claims = new Map<string, { labels: Record<string, string>; space: Space }>()
  for (const { namespace, volumes } of pods)
    for (const { claimName, space } of volumes)
      if (claimName !== undefined)
        claims.set(`${namespace}/${claimName}`, { labels: { namespace, persistentvolumeclaim: claimName }, space })
  return VOLUME_STATS.flatMap(([name, of, help]) => {
    const samples = [...claims.values()].flatMap(({ labels, space }) => {
      const value = space[of]
      return value === undefined ? [] : [{ labels, value }]
    })
    return samples.length > 0 ? [metric(`kubelet_volume_stats_${name}`, 'gauge', `[ALPHA] ${help}`, samples)] : []
  })
}

const PROBE_TYPES = { livenessProbe: 'Liveness', readinessProbe: 'Readiness', startupProbe: 'Startup' } as const
const PROBE_RESULTS = { success: 'successful', warning: 'successful', failure: 'failed', error: 'unknown' } as const

export function probeMetrics(counts: readonly ProbeCount[]): Metric[] {
  const samples = counts.map(({ kind, result, container, pod, count }) => ({
    labels: {
      container,
      namespace: pod.metadata.namespace,
      pod: pod.metadata.name,
      pod_uid: pod.metadata.uid,
      probe_type: PROBE_TYPES[kind],
      result: PROBE_RESULTS[result],
    },
    value: count,
  }))
  return [
    metric(
      'prober_probe_total',
      'counter',
      '[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.',
      samples,
    ),
  ]
}
