/** What of the node may run short, as its kernel tells it. */
import { readFile, statfs } from 'node:fs/promises'
import { memoryLimitBytes } from '../node/capacity.ts'

export interface Amount {
  available: number
  capacity: number
}

export interface Signals {
  memory: Amount
  /** Bytes of the file system that pods, images and logs are on. */
  disk: Amount
  inodes: Amount
  pids: Amount
}

/** Where nothing can be known nothing is amiss. */
const PLENTY: Amount = { available: Infinity, capacity: Infinity }

const read = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined)

function field(text: string | undefined, pattern: RegExp): number {
  return Number(pattern.exec(text ?? '')?.[1] ?? 0)
}

/** The machine's available memory, or what the node's own limit leaves where that is less. File pages that can be dropped count as free. */
async function memory(cgroupRoot: string, meminfo: string): Promise<Amount> {
  const machine = await read(meminfo)
  const ofMachine =
    machine === undefined
      ? PLENTY
      : { available: field(machine, /^MemAvailable:\s+(\d+)/m) * 1024, capacity: field(machine, /^MemTotal:\s+(\d+)/m) * 1024 }
  const limit = await memoryLimitBytes(cgroupRoot)
  if (limit === undefined) return ofMachine
  const v2 = await read(`${cgroupRoot}/memory.current`)
  const [used, stat] =
    v2 === undefined
      ? await Promise.all([read(`${cgroupRoot}/memory/memory.usage_in_bytes`), read(`${cgroupRoot}/memory/memory.stat`)])
      : [v2, await read(`${cgroupRoot}/memory.stat`)]
  const droppable = field(stat, v2 === undefined ? /^total_inactive_file (\d+)/m : /^inactive_file (\d+)/m)
  const left = limit - (Number(used ?? 0) - droppable)
  return { available: Math.min(ofMachine.available, left), capacity: Math.min(ofMachine.capacity, limit) }
}

/** Of the node's own cgroup, or of the machine. */
async function pids(cgroupRoot: string): Promise<Amount> {
  const directory = (await read(`${cgroupRoot}/pids.max`)) === undefined ? `${cgroupRoot}/pids` : cgroupRoot
  const [limit, used, machineLimit, machineUsed] = await Promise.all([
    read(`${directory}/pids.max`),
    read(`${directory}/pids.current`),
    read('/proc/sys/kernel/pid_max'),
    read('/proc/loadavg'),
  ])
  const capacity = Number(machineLimit ?? NaN)
  // The fourth field of loadavg: running/existing.
  const running = Number(/\d+\/(\d+)/.exec(machineUsed ?? '')?.[1] ?? 0)
  const ofMachine = Number.isFinite(capacity) ? { available: capacity - running, capacity } : PLENTY
  const own = Number(limit?.trim())
  if (!Number.isFinite(own) || own <= 0) return ofMachine
  const left = own - Number(used ?? 0)
  return left < ofMachine.available ? { available: left, capacity: own } : ofMachine
}

export async function readSignals(rootDir: string, cgroupRoot = '/sys/fs/cgroup', meminfo = '/proc/meminfo'): Promise<Signals> {
  const [ofMemory, ofPids, files] = await Promise.all([
    memory(cgroupRoot, meminfo),
    pids(cgroupRoot),
    statfs(rootDir).catch(() => undefined),
  ])
  return {
    memory: ofMemory,
    disk: files ? { available: files.bavail * files.bsize, capacity: files.blocks * files.bsize } : PLENTY,
    // Some file systems make inodes as they are needed and say that they have none.
    inodes: files && files.files > 0 ? { available: files.ffree, capacity: files.files } : PLENTY,
    pids: ofPids,
  }
}
