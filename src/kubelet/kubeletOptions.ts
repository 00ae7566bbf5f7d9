/** What a kubelet is given. */
import { pods, type Pod } from '../api/kinds/core/v1.ts'
import type { Clock } from '../base/clock.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informer, Informers } from '../client/informer.ts'
import type { KubeletConfiguration } from './configuration.ts'
import type { Signals } from './eviction/signals.ts'
import type { NodeCapacity } from './node/capacity.ts'
import type { LimitPod } from './resources/podLimits.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { PinSubPath } from './volumes/subPath.ts'

export interface KubeletOptions {
  client: Client
  informers: Informers
  events: EventRecorder
  clock: Clock
  runtime: Runtime
  nodeName: string
  nodeIp: string
  /** One of each IP family that pods have, the first is `nodeIp`; that one alone unless given. */
  nodeIps?: readonly string[]
  /** `/var/lib/kubelet`. */
  rootDir: string
  /** A folder in memory for what pods get that is secret; with the rest of their volumes unless given. */
  memoryDir?: string
  clusterDns: readonly string[]
  clusterDomain: string
  /** What pods with dnsPolicy Default get; `/etc/resolv.conf` unless given. */
  nodeResolvConfPath?: string
  /** Beside the ones that every node has. */
  nodeLabels?: Readonly<Record<string, string>>
  /** Read from the machine and the node's cgroup unless given. */
  capacity?: () => Promise<NodeCapacity>
  /** What can be set from outside; the defaults hold unless given. */
  configuration?: KubeletConfiguration
  /** Read from the machine and the node's cgroup unless given. */
  signals?: () => Promise<Signals>
  /** Writes what a pod may have into its own cgroup; nothing is written unless given. */
  limitPod?: LimitPod
  /** Binds subPaths; tests bring their own. */
  pinSubPath?: PinSubPath
  /** 10250 unless given. */
  kubeletPort?: number
  /** Where the manifests of static pods are; without it there are none. */
  manifestsDirectory?: string
}

/** The pods that are bound to this node, as the API has them. */
export function podsOfNode({ informers, nodeName }: KubeletOptions): Informer<Pod> {
  return informers.for(pods, { fieldSelector: `spec.nodeName=${nodeName}` })
}
