/**
 * What the kubelet needs of a container runtime: sandboxes (a pod's shared namespaces), containers in them, images, streams.
 * It follows the Container Runtime Interface (cri-api v1) in shape and words. `docker/` implements it on a Docker engine.
 *
 * All state that must survive a kubelet restart lives in the runtime (as labels); the kubelet keeps none of its own.
 */
import type { Duplex } from 'node:stream'
import type { GroupStats } from './cgroupStats.ts'

export interface PodIdentity {
  podUid: string
  podName: string
  podNamespace: string
}

export interface SandboxConfig extends PodIdentity {
  /** Counts the sandboxes that this pod has had, from 0. */
  attempt: number
  hostname: string
  /** `node`: the node's own network namespace. */
  network: 'pod' | 'node'
  pidMode: 'container' | 'pod' | 'node'
  ipcMode: 'pod' | 'node'
  /** Parent of the pod's cgroup, e.g. `/kubepods/burstable/pod<uid>`. */
  cgroupParent: string
  sysctls: Readonly<Record<string, string>>
  seccomp: SeccompProfile
  privileged: boolean
  /** hostPorts of the pod's containers; ignored for pods in the node's network, whose ports are the node's. */
  portMappings?: readonly PortMapping[]
  /** Bits per second over the pod's link. */
  bandwidth?: { ingressBitsPerSecond?: number; egressBitsPerSecond?: number }
}

/** A port of the node that leads to one of the pod. */
export interface PortMapping {
  hostPort: number
  containerPort: number
  protocol: 'TCP' | 'UDP' | 'SCTP'
  /** Undefined: on every address of the node. */
  hostIp?: string
}

export interface Sandbox extends PodIdentity {
  id: string
  attempt: number
  state: 'Ready' | 'NotReady'
  createdAtMs: number
  /** Its addresses; empty for pods in the node's network. */
  ips: readonly string[]
}

export type SeccompProfile = { type: 'RuntimeDefault' | 'Unconfined' } | { type: 'Localhost'; path: string }

export interface Mount {
  hostPath: string
  containerPath: string
  readOnly: boolean
  /** Mounts within it, too, cannot be written: or the container does not start, or where the kernel can. */
  recursiveReadOnly?: 'Enabled' | 'IfPossible'
  propagation: 'None' | 'HostToContainer' | 'Bidirectional'
}

/** cgroup limits; undefined leaves the engine's default. */
export interface LinuxResources {
  cpuShares?: number
  /** Microseconds of CPU time per period. */
  cpuQuotaUs?: number
  cpuPeriodUs?: number
  memoryLimitBytes?: number
  pidsLimit?: number
  oomScoreAdj?: number
}

export interface ContainerSecurity {
  privileged: boolean
  readOnlyRootFilesystem: boolean
  /** `uid`, `uid:gid` or a user name; undefined is the image's user. */
  user?: string
  supplementalGroups: readonly number[]
  capabilitiesAdd: readonly string[]
  capabilitiesDrop: readonly string[]
  noNewPrivileges: boolean
  seccomp: SeccompProfile
  apparmorProfile?: string
  /** `Unmasked` leaves /proc as it is. */
  procMount: 'Default' | 'Unmasked'
}

export interface ContainerConfig {
  /** Name within the pod. */
  name: string
  /** Counts the containers of that name that this pod has had, from 0: the restart count. */
  attempt: number
  /** Image id as answered by `imageStatus` or `pullImage`. */
  imageId: string
  /** Image name as the pod spec has it. */
  image: string
  /** Undefined: the image's entrypoint. */
  command?: readonly string[]
  args?: readonly string[]
  workingDir?: string
  env: readonly (readonly [name: string, value: string])[]
  mounts: readonly Mount[]
  devices: readonly { hostPath: string; containerPath: string; permissions: string }[]
  /** By their names in the Container Device Interface. */
  cdiDevices?: readonly string[]
  resources: LinuxResources
  security: ContainerSecurity
  stdin: boolean
  stdinOnce: boolean
  tty: boolean
  stopSignal?: string
  /** A container of the pod whose processes this one is to see; it has its own process namespace otherwise. */
  targetContainerId?: string
  /** Kept with the container and answered again by `list` (spec hash, grace period, message path). */
  annotations: Readonly<Record<string, string>>
}

export interface Container extends PodIdentity {
  id: string
  sandboxId: string
  name: string
  attempt: number
  state: 'Created' | 'Running' | 'Exited'
  createdAtMs: number
  startedAtMs?: number
  finishedAtMs?: number
  exitCode?: number
  oomKilled: boolean
  /** The engine's own error, when it could not start. */
  error?: string
  image: string
  imageId: string
  annotations: Readonly<Record<string, string>>
}

export interface Image {
  /** `sha256:…` */
  id: string
  repoTags: readonly string[]
  repoDigests: readonly string[]
  sizeBytes: number
  /** Numeric uid of the image's user, where it is numeric. */
  uid?: number
  /** User name of the image, where it is not numeric. */
  username?: string
}

export interface RegistryAuth {
  username: string
  password: string
  serverAddress: string
}

/** Something about a pod's sandbox or container changed; read it again. */
export interface RuntimeEvent {
  podUid: string
  containerId: string
  type: 'Started' | 'Died' | 'Oom' | 'Removed'
}

export interface RuntimeListener {
  /** The runtime is followed from now on; anything may have changed before. */
  onConnected(): void
  onEvent(event: RuntimeEvent): void
  /** An image came or went, whoever brought or took it; `loaded` is the id of one that a person brought. */
  onImagesChanged(loaded?: string): void
}

export interface LogOptions {
  follow: boolean
  /** Lines from the end; undefined is all. */
  tail?: number
  sinceMs?: number
  signal: AbortSignal
}

export interface LogLine {
  stream: 'stdout' | 'stderr'
  timestampNs: bigint
  /** With its line end, if it has one. */
  data: Uint8Array
}

export interface ExecOptions {
  command: readonly string[]
  stdin: boolean
  tty: boolean
  signal?: AbortSignal
}

/** A process or container one is attached to. With a tty everything arrives on stdout. */
export interface Attached {
  stdin?: NodeJS.WritableStream
  stdout: NodeJS.ReadableStream
  stderr?: NodeJS.ReadableStream
  resize(size: { width: number; height: number }): Promise<void>
  /** The exit code, once it is known; rejects when there was no process to have one. */
  exit: Promise<number>
}

/** What a container takes of the node's disk. */
export interface ContainerDisk {
  writableBytes: number
  logBytes: number
}

/** The image name is not there and cannot be had. `reason` is upstream's: ErrImagePull, ErrImageNeverPull, InvalidImageName, RegistryUnavailable. */
export class ImagePullError extends Error {
  override readonly name = 'ImagePullError'
  readonly reason: 'ErrImagePull' | 'InvalidImageName' | 'RegistryUnavailable'
  constructor(reason: ImagePullError['reason'], message: string, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
  }
}

export interface Runtime {
  /** Name and version for the Node's status, e.g. `docker://26.1.5`. */
  version(): Promise<string>

  createSandbox(config: SandboxConfig, signal: AbortSignal): Promise<Sandbox>
  /** Kills what runs in it and gives its address back; fine when it is stopped or gone. */
  stopSandbox(id: string): Promise<void>
  removeSandbox(id: string): Promise<void>

  createContainer(sandboxId: string, config: ContainerConfig, signal: AbortSignal): Promise<string>
  startContainer(id: string, signal: AbortSignal): Promise<void>
  /** SIGTERM (or the image's stop signal), SIGKILL after the grace period. Fine when it is stopped or gone. */
  stopContainer(id: string, graceSeconds: number): Promise<void>
  removeContainer(id: string): Promise<void>
  updateResources(id: string, resources: LinuxResources): Promise<void>

  /** All sandboxes and containers that carry our labels, or those of one pod. */
  list(podUid?: string): Promise<{ sandboxes: Sandbox[]; containers: Container[] }>
  /** Until the signal aborts; throws when the connection breaks. */
  events(signal: AbortSignal, listener: RuntimeListener): Promise<void>

  images(): Promise<Image[]>
  /** By name, digest or id; undefined if it is not there. `x`, `x:latest` and `docker.io/library/x:latest` are one image. */
  imageStatus(name: string): Promise<Image | undefined>
  pullImage(name: string, auth: RegistryAuth | undefined, signal: AbortSignal): Promise<Image>
  removeImage(id: string): Promise<void>
  /** Shows an image's files, not to be written, in a directory that is there. */
  mountImage(id: string, directory: string, signal: AbortSignal): Promise<void>

  logs(containerId: string, options: LogOptions): AsyncIterable<LogLine>
  exec(containerId: string, options: ExecOptions): Promise<Attached>
  attach(containerId: string, options: { stdin: boolean; tty: boolean }): Promise<Attached>
  /** A connection to a TCP port inside the sandbox's network namespace, on its loopback. */
  dial(sandboxId: string, port: number, signal: AbortSignal): Promise<Duplex>
  stats(containerId: string): Promise<GroupStats>
  diskUsage(containerId: string, signal: AbortSignal): Promise<ContainerDisk>
}
