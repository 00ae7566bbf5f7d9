/**
 * What a control group uses, from its files (v2, or v1 with a mount for each controller), in cAdvisor's definitions. A file
 * or a line that the kernel does not have counts as nothing.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const CGROUP_ROOT = '/sys/fs/cgroup'
const NS_PER_TICK = 1e7

export interface GroupStats {
  cpuUsageNs: number
  cpuUserNs: number
  cpuSystemNs: number
  /** Of its quota: those that have begun, those that it was held back in, and for how long. */
  cpuPeriods: number
  cpuThrottledPeriods: number
  cpuThrottledNs: number
  memoryUsageBytes: number
  /** What cannot be dropped without writing. */
  memoryWorkingSetBytes: number
  memoryRssBytes: number
  memoryCacheBytes: number
  memoryMappedBytes: number
  memorySwapBytes: number
  pageFaults: number
  majorPageFaults: number
  readBytes: number
  writtenBytes: number
  reads: number
  writes: number
  processes: number
}

/** From /proc/<pid>/cgroup: the group's path for each v1 controller, and under '' for v2. */
export function parseCgroups(text: string): Map<string, string> {
  const paths = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line)
    if (!match) continue
    for (const controller of (match[1] ?? '').split(',')) paths.set(controller, match[2] ?? '')
  }
  return paths
}

/** A process that has ended is shown in the roots until it is reaped: what the whole node uses is not its own. */
export function hasEnded(cgroups: ReadonlyMap<string, string>): boolean {
  return [...cgroups.values()].every((path) => path === '/')
}

/** The value of one `key value` line. */
export function statValue(text: string, key: string): number {
  const line = text.split('\n').find((l) => l.startsWith(`${key} `))
  return line ? Number(line.slice(key.length + 1)) : 0
}

/** Of all devices: lines `8:0 Read 4096` of v1. */
function deviceSum(text: string, what: 'Read' | 'Write'): number {
  return [...text.matchAll(new RegExp(`^\\d+:\\d+ ${what} (\\d+)$`, 'gm'))].reduce((sum, [, count]) => sum + Number(count), 0)
}

/** Of all devices: lines `8:0 rbytes=1 wbytes=2 …` of v2. */
function ioSum(text: string, key: string): number {
  return [...text.matchAll(new RegExp(`\\b${key}=(\\d+)`, 'g'))].reduce((sum, [, count]) => sum + Number(count), 0)
}

/** A group's files by name. */
type ReadFile = (name: string) => Promise<string>

export async function statsV1(read: (controller: string, name: string) => Promise<string>): Promise<GroupStats> {
  const optional = (controller: string, name: string): Promise<string> => read(controller, name).catch(() => '')
  const [usage, memory, cpu, ticks, quota, bytes, operations, pids] = await Promise.all([
    read('memory', 'memory.usage_in_bytes'),
    read('memory', 'memory.stat'),
    read('cpuacct', 'cpuacct.usage'),
    optional('cpuacct', 'cpuacct.stat'),
    optional('cpu', 'cpu.stat'),
    optional('blkio', 'blkio.throttle.io_service_bytes_recursive'),
    optional('blkio', 'blkio.throttle.io_serviced_recursive'),
    optional('pids', 'pids.current'),
  ])
  return {
    cpuUsageNs: Number(cpu),
    cpuUserNs: statValue(ticks, 'user') * NS_PER_TICK,
    cpuSystemNs: statValue(ticks, 'system') * NS_PER_TICK,
    cpuPeriods: statValue(quota, 'nr_periods'),
    cpuThrottledPeriods: statValue(quota, 'nr_throttled'),
    cpuThrottledNs: statValue(quota, 'throttled_time'),
    ...used(Number(usage), statValue(memory, 'total_inactive_file')),
    memoryRssBytes: statValue(memory, 'total_rss'),
    memoryCacheBytes: statValue(memory, 'total_cache'),
    memoryMappedBytes: statValue(memory, 'total_mapped_file'),
    memorySwapBytes: statValue(memory, 'total_swap'),
    pageFaults: statValue(memory, 'total_pgfault'),
    majorPageFaults: statValue(memory, 'total_pgmajfault'),
    readBytes: deviceSum(bytes, 'Read'),
    writtenBytes: deviceSum(bytes, 'Write'),
    reads: deviceSum(operations, 'Read'),
    writes: deviceSum(operations, 'Write'),
    processes: Number(pids),
  }
}

export async function statsV2(read: ReadFile): Promise<GroupStats> {
  const optional = (name: string): Promise<string> => read(name).catch(() => '')
  const [usage, memory, cpu, swap, io, pids] = await Promise.all([
    read('memory.current'),
    read('memory.stat'),
    read('cpu.stat'),
    optional('memory.swap.current'),
    optional('io.stat'),
    optional('pids.current'),
  ])
  return {
    cpuUsageNs: statValue(cpu, 'usage_usec') * 1000,
    cpuUserNs: statValue(cpu, 'user_usec') * 1000,
    cpuSystemNs: statValue(cpu, 'system_usec') * 1000,
    cpuPeriods: statValue(cpu, 'nr_periods'),
    cpuThrottledPeriods: statValue(cpu, 'nr_throttled'),
    cpuThrottledNs: statValue(cpu, 'throttled_usec') * 1000,
    ...used(Number(usage), statValue(memory, 'inactive_file')),
    memoryRssBytes: statValue(memory, 'anon'),
    memoryCacheBytes: statValue(memory, 'file'),
    memoryMappedBytes: statValue(memory, 'file_mapped'),
    memorySwapBytes: Number(swap),
    pageFaults: statValue(memory, 'pgfault'),
    majorPageFaults: statValue(memory, 'pgmajfault'),
    readBytes: ioSum(io, 'rbytes'),
    writtenBytes: ioSum(io, 'wbytes'),
    reads: ioSum(io, 'rios'),
    writes: ioSum(io, 'wios'),
    processes: Number(pids),
  }
}

function used(usageBytes: number, droppableBytes: number): Pick<GroupStats, 'memoryUsageBytes' | 'memoryWorkingSetBytes'> {
  return { memoryUsageBytes: usageBytes, memoryWorkingSetBytes: Math.max(0, usageBytes - droppableBytes) }
}

async function groupStats(pathOf: (controller: string) => string, isV1: boolean, root: string): Promise<GroupStats> {
  return isV1
    ? statsV1((controller, name) => readFile(join(root, controller, pathOf(controller), name), 'utf8'))
    : statsV2((name) => readFile(join(root, pathOf(''), name), 'utf8'))
}

export async function processGroupStats(pid: number, root = CGROUP_ROOT): Promise<GroupStats> {
  const groups = parseCgroups(await readFile(`/proc/${pid}/cgroup`, 'utf8'))
  if (hasEnded(groups)) throw new Error(`process ${pid} is in no group of its own any more`)
  const isV1 = groups.has('memory') && groups.has('cpuacct')
  return groupStats((controller) => groups.get(controller) ?? '/', isV1, root)
}

/** Of a group by its path, which is the same for all controllers. */
export async function namedGroupStats(path: string, root = CGROUP_ROOT): Promise<GroupStats> {
  const isV2 = await readFile(join(root, 'cgroup.controllers'), 'utf8').then(
    () => true,
    () => false,
  )
  return groupStats(() => path, !isV2, root)
}
