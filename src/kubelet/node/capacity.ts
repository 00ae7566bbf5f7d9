/** How much the node has: the machine's, or less where the node's own cgroup (docker run --memory, --cpus) says so. */
import { readFile, statfs } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { groupLimitBytes, memoryHierarchy } from '../podCgroup.ts'

export interface NodeCapacity {
  cpuMilli: number
  memoryBytes: number
  ephemeralStorageBytes: number
  pods: number
}

const MAX_PODS = 110
const MIB = 2 ** 20
/** What pods may not have, since the node's own processes need it: the control plane, the engine, a shim for each container. */
const RESERVED_MEMORY_BYTES = 320 * MIB
async function readText(path: string): Promise<string | undefined> {
  return (await readFile(path, 'utf8').catch(() => undefined))?.trim()
}

/** `max 100000` or `150000 100000`. */
export function parseCpuMax(text: string): number | undefined {
  const [quota, period] = text.split(/\s+/)
  const quotaUs = Number(quota)
  const periodUs = Number(period ?? 100_000)
  return Number.isFinite(quotaUs) && quotaUs > 0 && periodUs > 0 ? Math.floor((quotaUs / periodUs) * 1000) : undefined
}

async function cpuLimitMilli(cgroupRoot: string): Promise<number | undefined> {
  const v2 = await readText(`${cgroupRoot}/cpu.max`)
  if (v2 !== undefined) return parseCpuMax(v2)
  const quota = (await readText(`${cgroupRoot}/cpu/cpu.cfs_quota_us`)) ?? '-1'
  const period = (await readText(`${cgroupRoot}/cpu/cpu.cfs_period_us`)) ?? '100000'
  return parseCpuMax(`${quota} ${period}`)
}

export async function readCapacity(rootDir: string, cgroupRoot = '/sys/fs/cgroup'): Promise<NodeCapacity> {
  const [cpu, memory, disk] = await Promise.all([
    cpuLimitMilli(cgroupRoot),
    memoryHierarchy(cgroupRoot).then(groupLimitBytes),
    statfs(rootDir).catch(() => undefined),
  ])
  return {
    cpuMilli: Math.min(cpus().length * 1000, cpu ?? Infinity),
    memoryBytes: Math.min(totalmem(), memory ?? Infinity),
    ephemeralStorageBytes: disk ? disk.blocks * disk.bsize : 0,
    pods: MAX_PODS,
  }
}

export function podsMemoryBytes(capacityBytes: number): number {
  return capacityBytes - Math.min(RESERVED_MEMORY_BYTES, capacityBytes / 2)
}

export function allocatableAmounts(capacity: NodeCapacity): Record<string, string> {
  return capacityAmounts({ ...capacity, memoryBytes: podsMemoryBytes(capacity.memoryBytes) })
}

export function capacityAmounts({ cpuMilli, memoryBytes, ephemeralStorageBytes, pods }: NodeCapacity): Record<string, string> {
  return {
    cpu: cpuMilli % 1000 === 0 ? String(cpuMilli / 1000) : `${cpuMilli}m`,
    'ephemeral-storage': `${Math.floor(ephemeralStorageBytes / 1024)}Ki`,
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    memory: `${Math.floor(memoryBytes / 1024)}Ki`,
    pods: String(pods),
  }
}
