/** What pods and node use: /stats/summary (the summary API) and /metrics/resource, in upstream's shapes. */
import type { Clock } from '../../base/clock.ts'
import type { GroupStats } from '../runtime/cgroupStats.ts'
import type { ContainerDisk, Runtime } from '../runtime/runtime.ts'
import { readFile } from 'node:fs/promises'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { fileSystemSpace, type Space } from '../volumes/space.ts'
import type { VolumeUse } from '../volumes/volumeStats.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import { linkNameOf } from '../network/links.ts'
import { containerNames } from './containerLogs.ts'
import type { Metric } from '../metrics/exposition.ts'
import { cadvisorMetrics } from './cadvisor.ts'
import { linkUse } from './networkUse.ts'
import { kubeletMetrics, volumeMetrics } from './ownMetrics.ts'
import { type KubeletPods, type ServedPod, servedPod } from './pods.ts'
import type { ContainerUsage, MemoryDetail, NetworkUse, NodeUsage, PodUsage } from './usage.ts'

export interface StatsOptions {
  nodeName: string
  pods: KubeletPods
  runtime: Pick<Runtime, 'stats' | 'diskUsage' | 'images'>
  rootDir: string
  nodeUsage: () => Promise<NodeUsage>
  volumes: (pod: Pod, signal: AbortSignal) => Promise<VolumeUse[]>
  measures: KubeletMeasures
  clock: Clock
}

/** Rates want two readings this far apart; closer ones get the rate before. */
const RATE_WINDOW_MS = 1_000
const DISK_TIMEOUT_MS = 10_000

export class Stats {
  readonly #options: StatsOptions
  readonly #rates = new Map<string, { atMs: number; cpuUsageNs: number; nanoCores?: number }>()

  constructor(options: StatsOptions) {
    this.#options = options
  }

  async summary(signal: AbortSignal): Promise<object> {
    const { nodeName, clock } = this.#options
    const [node, pods] = await this.#read()
    const atMs = clock.now()
    const time = rfc3339(atMs)
    const seen = new Set<string>(['node'])
    const cpu = (key: string, cpuUsageNs: number): object => {
      seen.add(key)
      const usageNanoCores = this.#rate(key, cpuUsageNs, atMs)
      return { time, ...(usageNanoCores !== undefined && { usageNanoCores }), usageCoreNanoSeconds: cpuUsageNs }
    }
    const space = await fileSystemSpace(this.#options.rootDir)
    const podStats = await Promise.all(
      pods.map(async ({ pod, startedAtMs, containers, network }) => {
        const disks = await Promise.all(containers.map(({ id }) => this.#disk(id)))
        const volumes = await this.#options.volumes(pod, signal)
        const taken = [...disks.flatMap(({ writableBytes, logBytes }) => [writableBytes, logBytes]), ...volumes.map(diskBytesOf)]
        return {
          podRef: { name: pod.metadata.name, namespace: pod.metadata.namespace, uid: pod.metadata.uid },
          startTime: rfc3339(startedAtMs),
          containers: containers.map(({ name, id, startedAtMs: startMs, stats }, index) => ({
            name,
            startTime: rfc3339(startMs),
            cpu: cpu(id, stats.cpuUsageNs),
            memory: memoryStats(time, stats),
            rootfs: fileSystem(time, space, disks[index]?.writableBytes ?? 0),
            logs: fileSystem(time, space, disks[index]?.logBytes ?? 0),
          })),
          cpu: cpu(pod.metadata.uid ?? '', sum(containers, 'cpuUsageNs')),
          memory: memoryStats(time, {
            memoryUsageBytes: sum(containers, 'memoryUsageBytes'),
            memoryWorkingSetBytes: sum(containers, 'memoryWorkingSetBytes'),
            memoryRssBytes: sum(containers, 'memoryRssBytes'),
            pageFaults: sum(containers, 'pageFaults'),
            majorPageFaults: sum(containers, 'majorPageFaults'),
          }),
          ...(network && { network: networkStats(time, network) }),
          ...(volumes.length > 0 && { volume: volumes.map((volume) => volumeStatsOf(pod, volume, time)) }),
          'ephemeral-storage': fileSystem(
            time,
            space,
            taken.reduce((total, bytes) => total + bytes, 0),
          ),
          process_stats: { process_count: sum(containers, 'processes') },
        }
      }),
    )
    // Layers that images share count for each of them.
    const images = await this.#options.runtime.images().catch(() => [])
    const imageBytes = images.reduce((total, { sizeBytes }) => total + sizeBytes, 0)
    const availableBytes = Math.max(0, node.memoryCapacityBytes - node.memoryWorkingSetBytes)
    const summary = {
      node: {
        nodeName,
        startTime: rfc3339(node.startedAtMs),
        cpu: cpu('node', node.cpuUsageNs),
        memory: { ...memoryStats(time, node), availableBytes },
        ...(node.network && { network: networkStats(time, node.network) }),
        fs: fileSystem(time, space, space ? space.capacityBytes - space.availableBytes : 0),
        runtime: { imageFs: fileSystem(time, space, imageBytes) },
        ...(node.pods && {
          systemContainers: [
            {
              name: 'pods',
              startTime: rfc3339(node.startedAtMs),
              cpu: cpu('pods', node.pods.cpuUsageNs),
              memory: memoryStats(time, node.pods),
            },
          ],
        }),
        rlimit: await processLimits(time),
      },
      pods: podStats,
    }
    for (const key of this.#rates.keys()) if (!seen.has(key)) this.#rates.delete(key)
    return summary
  }

  async ownMetrics(signal: AbortSignal): Promise<Metric[]> {
    const [, pods] = await this.#read()
    const volumes = await Promise.all(
      pods.map(async ({ pod }) => ({ namespace: pod.metadata.namespace, volumes: await this.#options.volumes(pod, signal) })),
    )
    const { user, system } = process.cpuUsage()
    const startedAtMs = this.#options.clock.now() - process.uptime() * 1000
    const own = { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss(), startedAtMs }
    return [...kubeletMetrics(this.#options.nodeName, pods, own), ...this.#options.measures.metrics(), ...volumeMetrics(volumes)]
  }

  async cadvisorMetrics(): Promise<Metric[]> {
    const [node, pods] = await this.#read()
    return cadvisorMetrics(node, pods, this.#options.clock.now())
  }

  async resourceMetrics(): Promise<string> {
    const [node, pods] = await this.#read()
    return renderResourceMetrics(node, pods, this.#options.clock.now())
  }

  async #read(): Promise<[NodeUsage, PodUsage[]]> {
    const { pods, nodeUsage } = this.#options
    return Promise.all([nodeUsage(), Promise.all(pods.all().map((pod) => this.#podUsage(servedPod(pods, pod))))])
  }

  async #podUsage(served: ServedPod): Promise<PodUsage> {
    const containers = await Promise.all(containerNames(served.pod).map((name) => this.#containerUsage(served, name)))
    const startedAtMs = Date.parse(served.pod.status?.startTime ?? '') || this.#options.clock.now()
    const network = await networkUse(served.pod)
    return { pod: served.pod, startedAtMs, containers: containers.filter((container) => container !== undefined), network }
  }

  async #containerUsage({ pod, containerId }: ServedPod, name: string): Promise<ContainerUsage | undefined> {
    const id = containerId(name)
    const statuses = [
      ...(pod.status?.containerStatuses ?? []),
      ...(pod.status?.initContainerStatuses ?? []),
      ...(pod.status?.ephemeralContainerStatuses ?? []),
    ]
    const startedAt = statuses.find((status) => status.name === name)?.state?.running?.startedAt
    if (id === undefined || startedAt === undefined) return undefined
    try {
      return { name, id, startedAtMs: Date.parse(startedAt), stats: await this.#options.runtime.stats(id) }
    } catch {
      // It ended meanwhile.
      return undefined
    }
  }

  async #disk(id: string): Promise<ContainerDisk> {
    return this.#options.runtime.diskUsage(id, AbortSignal.timeout(DISK_TIMEOUT_MS)).catch(() => ({ writableBytes: 0, logBytes: 0 }))
  }

  #rate(key: string, cpuUsageNs: number, atMs: number): number | undefined {
    const last = this.#rates.get(key)
    if (last && atMs - last.atMs < RATE_WINDOW_MS) return last.nanoCores
    const nanoCores = last && Math.max(0, Math.round(((cpuUsageNs - last.cpuUsageNs) * 1000) / (atMs - last.atMs)))
    this.#rates.set(key, { atMs, cpuUsageNs, ...(nanoCores !== undefined && { nanoCores }) })
    return nanoCores
  }
}

/** The node's end of the pod's link: what it sends the pod receives. */
async function networkUse({ spec, status }: ServedPod['pod']): Promise<NetworkUse | undefined> {
  const ip = status?.podIP
  if (spec?.hostNetwork || !ip || ip.includes(':')) return undefined
  return linkUse(linkNameOf(ip), { mirrored: true })
}

/** Only volumes of the node's own disk take room there. */
const diskBytesOf = ({ onNodeDisk, space }: VolumeUse): number => (onNodeDisk ? (space.usedBytes ?? 0) : 0)

function volumeStatsOf({ metadata }: Pod, { name, claimName, space }: VolumeUse, time: string): object {
  return { time, ...space, name, ...(claimName !== undefined && { pvcRef: { name: claimName, namespace: metadata.namespace } }) }
}

function fileSystem(time: string, space: Space | undefined, usedBytes: number): object {
  return { time, ...space, usedBytes }
}

async function processLimits(time: string): Promise<object> {
  const [limit, load] = await Promise.all(
    ['/proc/sys/kernel/pid_max', '/proc/loadavg'].map((path) => readFile(path, 'utf8').catch(() => '')),
  )
  return { time, maxpid: Number(limit), curproc: Number(/\/(\d+)/.exec(load ?? '')?.[1] ?? 0) }
}

function rfc3339(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

function memoryStats(time: string, stats: Pick<GroupStats, 'memoryUsageBytes' | 'memoryWorkingSetBytes' | MemoryDetail>): object {
  const { memoryUsageBytes: usageBytes, memoryWorkingSetBytes: workingSetBytes, memoryRssBytes: rssBytes } = stats
  return { time, usageBytes, workingSetBytes, rssBytes, pageFaults: stats.pageFaults, majorPageFaults: stats.majorPageFaults }
}

function networkStats(time: string, { rxBytes, rxErrors, txBytes, txErrors }: NetworkUse): object {
  const use = { name: 'eth0', rxBytes, rxErrors, txBytes, txErrors }
  return { time, ...use, interfaces: [use] }
}

function sum(containers: readonly ContainerUsage[], key: keyof GroupStats): number {
  return containers.reduce((total, { stats }) => total + stats[key], 0)
}

const HELP = {
  container_cpu_usage_seconds_total: ['counter', 'Cumulative cpu time consumed by the container in core-seconds'],
  container_memory_working_set_bytes: ['gauge', 'Current working set of the container in bytes'],
  container_start_time_seconds: ['gauge', 'Start time of the container since unix epoch in seconds'],
  node_cpu_usage_seconds_total: ['counter', 'Cumulative cpu time consumed by the node in core-seconds'],
  node_memory_working_set_bytes: ['gauge', 'Current working set of the node in bytes'],
  pod_cpu_usage_seconds_total: ['counter', 'Cumulative cpu time consumed by the pod in core-seconds'],
  pod_memory_working_set_bytes: ['gauge', 'Current working set of the pod in bytes'],
  resource_scrape_error: ['gauge', '1 if there was an error while getting container metrics, 0 otherwise'],
} as const

function renderResourceMetrics(node: NodeUsage, pods: readonly PodUsage[], nowMs: number): string {
  const samples = new Map<keyof typeof HELP, string[]>()
  const add = (name: keyof typeof HELP, labels: Record<string, string>, value: number, timed = true): void => {
    const text = Object.entries(labels)
      .map(([label, v]) => `${label}=${JSON.stringify(v)}`)
      .join(',')
    const lines = samples.get(name) ?? []
    lines.push(`${name}${text && `{${text}}`} ${value}${timed ? ` ${nowMs}` : ''}`)
    samples.set(name, lines)
  }
  for (const { pod, containers } of pods) {
    if (containers.length === 0) continue
    const podLabels = { namespace: pod.metadata.namespace, pod: pod.metadata.name }
    for (const { name, startedAtMs, stats } of containers) {
      const labels = { container: name, ...podLabels }
      add('container_cpu_usage_seconds_total', labels, stats.cpuUsageNs / 1e9)
      add('container_memory_working_set_bytes', labels, stats.memoryWorkingSetBytes)
      add('container_start_time_seconds', labels, startedAtMs / 1000, false)
    }
    add('pod_cpu_usage_seconds_total', podLabels, sum(containers, 'cpuUsageNs') / 1e9)
    add('pod_memory_working_set_bytes', podLabels, sum(containers, 'memoryWorkingSetBytes'))
  }
  add('node_cpu_usage_seconds_total', {}, node.cpuUsageNs / 1e9)
  add('node_memory_working_set_bytes', {}, node.memoryWorkingSetBytes)
  add('resource_scrape_error', {}, 0, false)
  const names = (Object.keys(HELP) as (keyof typeof HELP)[]).filter((name) => samples.has(name))
  return names
    .map((name) => `# HELP ${name} [STABLE] ${HELP[name][1]}\n# TYPE ${name} ${HELP[name][0]}\n${(samples.get(name) ?? []).join('\n')}\n`)
    .join('')
}
