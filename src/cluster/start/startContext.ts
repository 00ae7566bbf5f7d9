/** What a start is asked for, and what its steps know of one another. */
import type { BootLog } from '../bootLog.ts'
import type { Engine, EngineInfo } from '../engine/engine.ts'
import type { ClusterEntry } from '../kubeconfig/document.ts'
import type { IpFamilies } from '../network.ts'
import type { NodeState } from '../nodeContainer.ts'
import type { ProfileConfig } from '../profile.ts'
import type { StepReporter } from './steps.ts'

export interface StartClusterOptions {
  profile: string
  cpus?: number
  memoryBytes?: number
  /** `[ADDRESS:]HOSTPORT:NODEPORT[/PROTOCOL]` each; a stopped cluster that is started with other ones gets them. */
  publish?: string[]
  /** How many nodes the cluster is to have, each a container. */
  nodes?: number
  /** Which IP families the cluster has; a cluster that is there keeps its own. */
  ipFamily?: IpFamilies
  /** How many nodes without a machine there are to be. */
  fakeNodes?: number
  /** `COMPONENT.KEY=VALUE` each, in upstream's names; they replace those of an earlier start. */
  extraConfig?: readonly string[]
  /** A node image to use instead of this checkout's. */
  image?: string
  /** False for `--wait=false`: return as soon as the API server answers. */
  wait?: boolean
  timeoutMs?: number
  keepContext?: boolean
  /** Leave everything as it is when a step fails. */
  retain?: boolean
  /** False for `--no-install`. */
  installAllowed?: boolean
  reporter: StepReporter
  signal: AbortSignal
  env?: NodeJS.ProcessEnv
}

export interface StartContext {
  home: string
  env: NodeJS.ProcessEnv
  options: StartClusterOptions
  reporter: StepReporter
  timeoutMs: number
  /** The profile and the container that were there before. */
  before: ProfileConfig | undefined
  stateBefore: NodeState | undefined
  engine?: Engine
  info?: EngineInfo
  image?: string
  profile?: ProfileConfig
  /** True once this command made the container. */
  created?: boolean
  /** The volume was there although no profile knew of it: it is not this command's to delete. */
  volumeExisted?: boolean
  /** Nodes beside the first one were there before. */
  hadWorkers?: boolean
  credentialsEntry?: ClusterEntry
  boot?: BootLog
  bootSignal?: AbortSignal
  requireEngine(): Engine
  requireProfile(): ProfileConfig
}
