/** What nodes, pods and containers use, as it was read at one moment. */
import type { GroupStats } from '../runtime/cgroupStats.ts'
import type { ServedPod } from './pods.ts'

export interface NodeUsage extends Pick<GroupStats, 'cpuUsageNs' | 'memoryUsageBytes' | 'memoryWorkingSetBytes' | MemoryDetail> {
  memoryCapacityBytes: number
  startedAtMs: number
  network: NetworkUse | undefined
  /** All pods together; undefined where their group cannot be read. */
  pods: GroupStats | undefined
}

export type MemoryDetail = 'memoryRssBytes' | 'pageFaults' | 'majorPageFaults'

export interface ContainerUsage {
  name: string
  id: string
  startedAtMs: number
  stats: GroupStats
}

export interface PodUsage {
  pod: ServedPod['pod']
  startedAtMs: number
  containers: ContainerUsage[]
  /** Undefined for pods in the node's network. */
  network: NetworkUse | undefined
}

/** Of a pod it is what the pod receives and sends. */
export interface NetworkUse {
  rxBytes: number
  rxPackets: number
  rxErrors: number
  rxDropped: number
  txBytes: number
  txPackets: number
  txErrors: number
  txDropped: number
}
