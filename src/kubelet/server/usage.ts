/** What nodes, pods and containers use, as it was read at one moment. */
import type { ContainerStats } from '../runtime/runtime.ts'
import type { ServedPod } from './pods.ts'

export interface NodeUsage {
  cpuUsageNs: number
  memoryUsageBytes: number
  memoryWorkingSetBytes: number
  memoryCapacityBytes: number
  startedAtMs: number
}

export interface ContainerUsage {
  name: string
  id: string
  startedAtMs: number
  stats: ContainerStats
}

export interface PodUsage {
  pod: ServedPod['pod']
  startedAtMs: number
  containers: ContainerUsage[]
  /** Undefined for pods in the node's network. */
  network: NetworkUse | undefined
}

export interface NetworkUse {
  rxBytes: number
  txBytes: number
}
