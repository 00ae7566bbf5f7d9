/** What a container uses, from the files of its cgroup (v2, or v1 with a mount for each controller): no engine call. */
import { readFile } from 'node:fs/promises'
import type { ContainerStats } from '../runtime.ts'

const CGROUP_ROOT = '/sys/fs/cgroup'

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

export async function readContainerStats(pid: number): Promise<ContainerStats> {
  const cgroups = parseCgroups(await readFile(`/proc/${pid}/cgroup`, 'utf8'))
  if (hasEnded(cgroups)) throw new Error(`process ${pid} is in no group of its own any more`)
  const memory = cgroups.get('memory')
  const cpu = cgroups.get('cpuacct')
  return memory !== undefined && cpu !== undefined
    ? statsV1(`${CGROUP_ROOT}/memory${memory}`, `${CGROUP_ROOT}/cpuacct${cpu}`, `${CGROUP_ROOT}/pids${cgroups.get('pids') ?? ''}`)
    : statsV2(`${CGROUP_ROOT}${cgroups.get('') ?? ''}`)
}

async function statsV1(memoryDir: string, cpuDir: string, pidsDir: string): Promise<ContainerStats> {
  const [usage, stat, cpu, pids] = await Promise.all([
    readFile(`${memoryDir}/memory.usage_in_bytes`, 'utf8'),
    readFile(`${memoryDir}/memory.stat`, 'utf8'),
    readFile(`${cpuDir}/cpuacct.usage`, 'utf8'),
    readPids(pidsDir),
  ])
  return { cpuUsageNs: Number(cpu), processes: pids, ...memoryStats(Number(usage), statValue(stat, 'total_inactive_file')) }
}

async function statsV2(dir: string): Promise<ContainerStats> {
  const [usage, stat, cpu, pids] = await Promise.all([
    readFile(`${dir}/memory.current`, 'utf8'),
    readFile(`${dir}/memory.stat`, 'utf8'),
    readFile(`${dir}/cpu.stat`, 'utf8'),
    readPids(dir),
  ])
  return {
    cpuUsageNs: statValue(cpu, 'usage_usec') * 1000,
    processes: pids,
    ...memoryStats(Number(usage), statValue(stat, 'inactive_file')),
  }
}

async function readPids(dir: string): Promise<number> {
  return Number(await readFile(`${dir}/pids.current`, 'utf8').catch(() => 0))
}

/** The working set is what cannot be dropped without writing: cAdvisor's definition. */
function memoryStats(usageBytes: number, inactiveFileBytes: number): Pick<ContainerStats, 'memoryUsageBytes' | 'memoryWorkingSetBytes'> {
  return { memoryUsageBytes: usageBytes, memoryWorkingSetBytes: Math.max(0, usageBytes - inactiveFileBytes) }
}
