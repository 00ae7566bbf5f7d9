/**
 * Whether the node is short of memory: what is available is less than upstream's default threshold, and for a while after.
 * Disk pressure is not looked for: the disk is the laptop's, mostly full, and no reason to refuse pods (kind and minikube
 * set its thresholds to nothing for the same reason).
 */
import { readFile } from 'node:fs/promises'
import type { NodeCapacity } from './capacity.ts'
import { memoryLimitBytes } from './capacity.ts'

/** memory.available of upstream's evictionHard. */
const THRESHOLD_BYTES = 100 * 1024 * 1024
/** eviction-pressure-transition-period: a node on the edge does not change its mind all the time. */
const TRANSITION_MS = 5 * 60_000

const read = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined)

function field(text: string | undefined, pattern: RegExp): number {
  return Number(pattern.exec(text ?? '')?.[1] ?? 0)
}

/** The machine's available memory, or what the node's own limit leaves where that is less. File pages that can be dropped count as free. */
export async function availableMemoryBytes(cgroupRoot = '/sys/fs/cgroup', meminfo = '/proc/meminfo'): Promise<number> {
  const machine = await read(meminfo)
  // Where nothing can be known nothing is amiss.
  const ofMachine = machine === undefined ? Infinity : field(machine, /^MemAvailable:\s+(\d+)/m) * 1024
  const limit = await memoryLimitBytes(cgroupRoot)
  if (limit === undefined) return ofMachine
  const v2 = await read(`${cgroupRoot}/memory.current`)
  const [used, stat] =
    v2 === undefined
      ? await Promise.all([read(`${cgroupRoot}/memory/memory.usage_in_bytes`), read(`${cgroupRoot}/memory/memory.stat`)])
      : [v2, await read(`${cgroupRoot}/memory.stat`)]
  const droppable = field(stat, v2 === undefined ? /^total_inactive_file (\d+)/m : /^inactive_file (\d+)/m)
  return Math.min(ofMachine, limit - (Number(used ?? 0) - droppable))
}

export class MemoryPressure {
  #sinceMs: number | undefined

  /** Whether there is pressure, given what is available now. */
  observe(availableBytes: number, { memoryBytes }: Pick<NodeCapacity, 'memoryBytes'>, nowMs: number): boolean {
    // A node that has hardly more than the threshold would always be under pressure.
    const threshold = Math.min(THRESHOLD_BYTES, memoryBytes / 10)
    if (availableBytes < threshold) this.#sinceMs = nowMs
    else if (this.#sinceMs !== undefined && nowMs - this.#sinceMs >= TRANSITION_MS) this.#sinceMs = undefined
    return this.#sinceMs !== undefined
  }
}
