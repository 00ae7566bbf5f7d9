/** How much the node has: the machine's, or less where the node's own cgroup (docker run --memory, --cpus) says so. */
import { readFile, statfs } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'

export interface NodeCapacity {
  cpuMilli: number
  memoryBytes: number
  ephemeralStorageBytes: number
  pods: number
}

const MAX_PODS = 110
/** cgroup v1 says "no limit" with a number near 2^63. */
const NO_LIMIT_BYTES = 2 ** 60

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

/** Of the node's own cgroup; undefined when it has none. */
export async function memoryLimitBytes(cgroupRoot: string): Promise<number | undefined> {
  const text = (await readText(`${cgroupRoot}/memory.max`)) ?? (await readText(`${cgroupRoot}/memory/memory.limit_in_bytes`))
  const limit = Number(text)
  return text !== undefined && Number.isFinite(limit) && limit > 0 && limit < NO_LIMIT_BYTES ? limit : undefined
}

export async function readCapacity(rootDir: string, cgroupRoot = '/sys/fs/cgroup'): Promise<NodeCapacity> {
  const [cpu, memory, disk] = await Promise.all([
    cpuLimitMilli(cgroupRoot),
    memoryLimitBytes(cgroupRoot),
    statfs(rootDir).catch(() => undefined),
  ])
  return {
    cpuMilli: Math.min(cpus().length * 1000, cpu ?? Infinity),
    memoryBytes: Math.min(totalmem(), memory ?? Infinity),
    ephemeralStorageBytes: disk ? disk.blocks * disk.bsize : 0,
    pods: MAX_PODS,
  }
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
