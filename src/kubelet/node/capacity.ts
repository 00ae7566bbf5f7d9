/** How much the node has: the machine's, or less where the node's own cgroup (docker run --memory, --cpus) says so. */
import { readdir, readFile, statfs } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { quantityMilliValue, quantityValue } from '../../api/quantity.ts'
import { KUBELET_DEFAULTS, type KubeletConfiguration, type SignalName } from '../configuration.ts'
import { thresholdsOf } from '../eviction/pressure.ts'
import { bytesText } from '../eviction/ranking.ts'
import { groupLimitBytes, memoryHierarchy } from '../resources/podCgroup.ts'

export interface NodeCapacity {
  cpuMilli: number
  memoryBytes: number
  ephemeralStorageBytes: number
  pods: number
  hugePages: readonly { pageBytes: number; pages: number }[]
}

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
  const [cpu, memory, disk, hugePages] = await Promise.all([
    cpuLimitMilli(cgroupRoot),
    memoryHierarchy(cgroupRoot).then(groupLimitBytes),
    statfs(rootDir).catch(() => undefined),
    readHugePages(HUGE_PAGES_DIRECTORY),
  ])
  return {
    cpuMilli: Math.min(cpus().length * 1000, cpu ?? Infinity),
    memoryBytes: Math.min(totalmem(), memory ?? Infinity),
    ephemeralStorageBytes: disk ? disk.blocks * disk.bsize : 0,
    pods: KUBELET_DEFAULTS.maxPods,
    hugePages,
  }
}

type Reservations = Pick<KubeletConfiguration, 'kubeReserved' | 'systemReserved' | 'evictionHard'>

function reservedAmount({ kubeReserved, systemReserved }: Reservations, name: string, amountOf: (quantity: string) => number): number {
  return [kubeReserved, systemReserved].reduce((sum, reserved) => sum + amountOf(reserved?.[name] ?? '0'), 0)
}

function thresholdAmount(signal: SignalName, { evictionHard }: Reservations, capacity: number): number {
  return (
    thresholdsOf(evictionHard)
      .find((threshold) => threshold.signal === signal)
      ?.limitOf(capacity) ?? 0
  )
}

/** What pods may have of the memory: without what is reserved for others, the room that evictions begin in, and huge pages. */
export function podsMemoryBytes(capacity: NodeCapacity, reservations: Reservations): number {
  const huge = capacity.hugePages.reduce((sum, { pageBytes, pages }) => sum + pageBytes * pages, 0)
  const all = Math.max(0, capacity.memoryBytes - huge)
  const isSaid = [reservations.kubeReserved, reservations.systemReserved].some((reserved) => reserved?.['memory'] !== undefined)
  if (!isSaid) return all - Math.min(RESERVED_MEMORY_BYTES, all / 2)
  const reserved = reservedAmount(reservations, 'memory', quantityValue)
  return Math.max(0, all - reserved - thresholdAmount('memory.available', reservations, capacity.memoryBytes))
}

/** As many as fit, by either limit. */
export function maxPods({ cpuMilli }: Pick<NodeCapacity, 'cpuMilli'>, { maxPods: most, podsPerCore }: KubeletConfiguration): number {
  return podsPerCore > 0 ? Math.min(most, Math.floor((podsPerCore * cpuMilli) / 1000)) : most
}

export function allocatableAmounts(capacity: NodeCapacity, reservations: Reservations): Record<string, string> {
  const { cpuMilli, ephemeralStorageBytes } = capacity
  const disk =
    reservedAmount(reservations, 'ephemeral-storage', quantityValue) +
    thresholdAmount('nodefs.available', reservations, ephemeralStorageBytes)
  return capacityAmounts({
    ...capacity,
    cpuMilli: Math.max(0, cpuMilli - reservedAmount(reservations, 'cpu', quantityMilliValue)),
    memoryBytes: podsMemoryBytes(capacity, reservations),
    ephemeralStorageBytes: Math.max(0, ephemeralStorageBytes - disk),
  })
}

const HUGE_PAGES_DIRECTORY = '/sys/kernel/mm/hugepages'
const PAGE_SUFFIXES = ['Ki', 'Mi', 'Gi'] as const

/** `hugepages-2Mi`. */
export function hugePagesName(pageBytes: number): string {
  let size = pageBytes / 1024
  let suffix = 0
  for (; size >= 1024 && size % 1024 === 0 && suffix < PAGE_SUFFIXES.length - 1; suffix++) size /= 1024
  return `hugepages-${size}${PAGE_SUFFIXES[suffix]}`
}

/** Of every size that the kernel has; none where it has none. */
async function readHugePages(directory: string): Promise<NodeCapacity['hugePages']> {
  const names = await readdir(directory).catch(() => [])
  const found = names.map(async (name) => {
    const [, kib] = /^hugepages-(\d+)kB$/.exec(name) ?? []
    return kib ? [{ pageBytes: Number(kib) * 1024, pages: Number((await readText(`${directory}/${name}/nr_hugepages`)) ?? 0) }] : []
  })
  return (await Promise.all(found)).flat().toSorted((a, b) => b.pageBytes - a.pageBytes)
}

export function capacityAmounts({ cpuMilli, memoryBytes, ephemeralStorageBytes, pods, hugePages }: NodeCapacity): Record<string, string> {
  return {
    cpu: cpuMilli % 1000 === 0 ? String(cpuMilli / 1000) : `${cpuMilli}m`,
    'ephemeral-storage': `${Math.floor(ephemeralStorageBytes / 1024)}Ki`,
    ...Object.fromEntries(hugePages.map(({ pageBytes, pages }) => [hugePagesName(pageBytes), bytesText(pageBytes * pages)])),
    memory: `${Math.floor(memoryBytes / 1024)}Ki`,
    pods: String(pods),
  }
}
