/** What of the node may run short, as its kernel tells it. */
import { readFile, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { ALL_PODS, groupLimitBytes, memoryHierarchy, workingSetBytes } from '../resources/podCgroup.ts'

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

/** What a group's own limit leaves; undefined where it has none. File pages that can be dropped count as free. */
async function leftIn(group: string): Promise<Amount | undefined> {
  const capacity = await groupLimitBytes(group)
  const used = capacity === undefined ? undefined : await workingSetBytes(group)
  return capacity === undefined || used === undefined ? undefined : { available: capacity - used, capacity }
}

/** The machine's available memory, or what is left of the node's own limit or of its pods' where that is less. */
async function memory(cgroupRoot: string, meminfo: string): Promise<Amount> {
  const machine = await read(meminfo)
  const ofMachine =
    machine === undefined
      ? PLENTY
      : { available: field(machine, /^MemAvailable:\s+(\d+)/m) * 1024, capacity: field(machine, /^MemTotal:\s+(\d+)/m) * 1024 }
  const root = await memoryHierarchy(cgroupRoot)
  const [node = PLENTY, pods = PLENTY] = await Promise.all([leftIn(root), leftIn(join(root, ALL_PODS))])
  return {
    available: Math.min(ofMachine.available, node.available, pods.available),
    capacity: Math.min(ofMachine.capacity, node.capacity),
  }
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
