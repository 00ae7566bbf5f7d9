/** What the whole node uses, as its kernel tells it: the node's part of the kubelet's /stats/summary. */
import { readFileSync } from 'node:fs'
import { totalmem, uptime } from 'node:os'
import { ALL_PODS } from '../kubelet/resources/podCgroup.ts'
import { namedGroupStats } from '../kubelet/runtime/cgroupStats.ts'
import { linkUse } from '../kubelet/server/networkUse.ts'
import type { NodeUsage } from '../kubelet/server/usage.ts'

export async function nodeUsage(): Promise<NodeUsage> {
  const cpu = readFileSync('/proc/stat', 'utf8').split('\n')[0]?.trim().split(/\s+/).slice(1).map(Number) ?? []
  const [user = 0, nice = 0, system = 0] = cpu
  const memory = readFileSync('/proc/meminfo', 'utf8')
  const kibibytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(memory)?.[1] ?? 0)
  const faults = readFileSync('/proc/vmstat', 'utf8')
  const counted = (name: string): number => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(faults)?.[1] ?? 0)
  const available = kibibytes('MemAvailable') * 1024
  const used = totalmem() - available
  return {
    cpuUsageNs: (user + nice + system) * 1e7,
    memoryUsageBytes: used,
    memoryWorkingSetBytes: used,
    memoryRssBytes: kibibytes('AnonPages') * 1024,
    pageFaults: counted('pgfault'),
    majorPageFaults: counted('pgmajfault'),
    network: await linkUse('eth0'),
    pods: await namedGroupStats(ALL_PODS).catch(() => undefined),
    memoryCapacityBytes: totalmem(),
    startedAtMs: Date.now() - uptime() * 1000,
  }
}
