/** What a process and everything below it costs, read from /proc. Linux, as root. */
import { readdirSync, readFileSync } from 'node:fs'

const TICKS_PER_SECOND = 100

interface Stat {
  pid: number
  parent: number
  name: string
  /** CPU time of the process and of its children that have ended. */
  cpuSeconds: number
}

function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const close = text.lastIndexOf(')')
    const fields = text.slice(close + 2).split(' ')
    const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0)
    return { pid, parent: Number(fields[1]), name: text.slice(text.indexOf('(') + 1, close), cpuSeconds: ticks / TICKS_PER_SECOND }
  } catch {
    // It ended while we looked.
    return undefined
  }
}

/** The process and all its descendants. */
export function processTree(root: number): Stat[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readStat(Number(name)) ?? [])
  const children = Map.groupBy(all, (stat) => stat.parent)
  const found: Stat[] = []
  const pending = all.filter((stat) => stat.pid === root)
  for (let next = pending.pop(); next; next = pending.pop()) {
    found.push(next)
    pending.push(...(children.get(next.pid) ?? []))
  }
  return found
}

/** Proportional set size: shared pages are counted once among those who share them. */
function pssBytes(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

/** By program name, largest first. */
export function memoryByProgram(root: number): { name: string; processes: number; pssBytes: number }[] {
  const groups = Map.groupBy(processTree(root), (stat) => stat.name)
  return [...groups]
    .map(([name, stats]) => ({ name, processes: stats.length, pssBytes: stats.reduce((sum, { pid }) => sum + pssBytes(pid), 0) }))
    .toSorted((a, b) => b.pssBytes - a.pssBytes)
}

/** CPU seconds that the tree used in `seconds`, as a share of one core. */
export async function cpuShare(root: number, seconds: number): Promise<number> {
  const before = new Map(processTree(root).map((stat) => [stat.pid, stat.cpuSeconds]))
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  const used = processTree(root).reduce((sum, { pid, cpuSeconds }) => sum + Math.max(0, cpuSeconds - (before.get(pid) ?? 0)), 0)
  return used / seconds
}
