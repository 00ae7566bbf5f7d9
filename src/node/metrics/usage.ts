/** What nodes and containers use, from two readings of a kubelet's /metrics/resource. Pure. */

export interface Reading {
  atMs: number
  node: { cpuSeconds: number; memoryBytes: number }
  /** By `namespace/pod/container`. */
  containers: ReadonlyMap<string, ContainerReading>
}

export interface ContainerReading {
  cpuSeconds: number
  memoryBytes: number
  startedAtMs: number
}

export interface Usage {
  cpuNanoCores: number
  memoryBytes: number
}

export interface NodeUsage {
  atMs: number
  windowMs: number
  node: Usage
  /** By `namespace/pod`, then by container. */
  pods: ReadonlyMap<string, ReadonlyMap<string, Usage>>
}

const SAMPLE = /^([a-z_]+)(?:\{(.*)\})? (\S+)(?: (\d+))?$/
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g

/** Reads the text format's samples that are about use; `readAtMs` holds where a sample has no time. */
export function parseReading(text: string, readAtMs: number): Reading {
  let atMs = readAtMs
  const node = { cpuSeconds: 0, memoryBytes: 0 }
  const containers = new Map<string, ContainerReading>()
  for (const line of text.split('\n')) {
    const [, name, labelText = '', value = '', time] = SAMPLE.exec(line) ?? []
    if (!name) continue
    const amount = Number(value)
    if (name === 'node_cpu_usage_seconds_total') {
      node.cpuSeconds = amount
      if (time) atMs = Number(time)
    } else if (name === 'node_memory_working_set_bytes') node.memoryBytes = amount
    else if (name.startsWith('container_')) {
      const labels = Object.fromEntries([...labelText.matchAll(LABEL)].map(([, label, text]) => [label, text]))
      const key = [labels['namespace'], labels['pod'], labels['container']].join('/')
      const container = containers.get(key) ?? { cpuSeconds: 0, memoryBytes: 0, startedAtMs: 0 }
      containers.set(key, container)
      if (name === 'container_cpu_usage_seconds_total') container.cpuSeconds = amount
      else if (name === 'container_memory_working_set_bytes') container.memoryBytes = amount
      else if (name === 'container_start_time_seconds') container.startedAtMs = amount * 1000
    }
  }
  return { atMs, node, containers }
}

const nanoCores = (before: number, after: number, overMs: number): number => Math.max(0, Math.round(((after - before) / overMs) * 1e12))

/** What was used between two readings. A container that started in between has used all since its start. */
export function usageBetween(before: Reading, after: Reading): NodeUsage {
  const windowMs = after.atMs - before.atMs
  const pods = new Map<string, Map<string, Usage>>()
  for (const [key, now] of after.containers) {
    const [namespace, pod, container] = key.split('/') as [string, string, string]
    const known = before.containers.get(key)
    const same = known && known.startedAtMs === now.startedAtMs && known.cpuSeconds <= now.cpuSeconds
    const overMs = same ? windowMs : after.atMs - now.startedAtMs
    if (overMs <= 0) continue
    const podKey = `${namespace}/${pod}`
    const containers = pods.get(podKey) ?? new Map<string, Usage>()
    pods.set(podKey, containers)
    containers.set(container, {
      cpuNanoCores: nanoCores(same ? known.cpuSeconds : 0, now.cpuSeconds, overMs),
      memoryBytes: now.memoryBytes,
    })
  }
  const node = { cpuNanoCores: nanoCores(before.node.cpuSeconds, after.node.cpuSeconds, windowMs), memoryBytes: after.node.memoryBytes }
  return { atMs: after.atMs, windowMs, node, pods }
}
