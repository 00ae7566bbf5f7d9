/** The engine's words for a sandbox or container of a pod. Pure; profiles are read by the caller. */
import { posix } from 'node:path'
import type { ContainerCreateOptions, HostConfig, MountSettings } from 'dockerode'
import type { ContainerConfig, ContainerSecurity, LinuxResources, Mount, PodIdentity, SandboxConfig, SeccompProfile } from '../runtime.ts'
import { sharedMemoryIn } from './namespaces.ts'
import { type SandboxNamespaces, containerLabels, engineNameOf, sandboxLabels, sandboxNameOf } from './labels.ts'
import { type HostPrivileges, capabilityRequest, oomScoreAdjWithin } from './privileges.ts'

const PROPAGATION = { None: undefined, HostToContainer: 'rslave', Bidirectional: 'rshared' } as const
/** The kubelet gives its sandboxes this, so that they are the last to be killed for memory. */
const SANDBOX_OOM_SCORE_ADJ = -998
const SANDBOX_CPU_SHARES = 2
/** Of the node's image: has a container join the namespaces in the directory that the annotation names. */
export const POD_RUNTIME = 'pod'
const SANDBOX_ANNOTATION = 'io.minicube.sandbox'
const SHARED_MEMORY = '/dev/shm'

export interface HostFacts {
  privileges: HostPrivileges
  /** The profile's JSON for a `Localhost` profile. */
  seccompJson?: string
}

/** When a container's log is continued in another file, and how many there may be. */
export interface LogLimits {
  maxSizeBytes: number
  maxFiles: number
}

export function sandboxCreateOptions(
  config: SandboxConfig,
  placed: { pauseImage: string; ips: readonly string[] },
  host: HostFacts,
): ContainerCreateOptions {
  return {
    name: sandboxNameOf(config),
    Image: placed.pauseImage,
    Hostname: config.hostname,
    // The engine's own network set-up costs as much time as all the rest: it gives a bare namespace and we make the link.
    NetworkDisabled: config.network === 'pod',
    Labels: sandboxLabels({ ...config, ips: placed.ips, portMappings: config.portMappings ?? [] }),
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: config.network === 'pod' ? 'none' : 'host',
      IpcMode: config.ipcMode === 'pod' ? 'shareable' : 'host',
      ...(config.pidMode === 'node' && { PidMode: 'host' }),
      CgroupParent: config.cgroupParent,
      CpuShares: SANDBOX_CPU_SHARES,
      OomScoreAdj: oomScoreAdjWithin(SANDBOX_OOM_SCORE_ADJ, host.privileges),
      Sysctls: { ...config.sysctls },
      SecurityOpt: seccompOption(config.seccomp, host.seccompJson),
      ReadonlyRootfs: true,
      LogConfig: { Type: 'none', Config: {} },
    },
  }
}

/** The sandbox that a container joins. */
export interface JoinedSandbox extends SandboxNamespaces {
  id: string
  /** Where its namespaces are, when no container holds them; the host name then comes with each container. */
  pinned?: { directory: string; hostname: string }
}

export function containerCreateOptions(
  pod: PodIdentity,
  sandbox: JoinedSandbox,
  config: ContainerConfig,
  host: HostFacts & { logs: LogLimits },
): ContainerCreateOptions {
  const { security } = config
  return {
    name: engineNameOf(pod, config.name, config.attempt),
    Image: config.imageId,
    ...(config.command?.length && { Entrypoint: [...config.command] }),
    ...(config.args?.length && { Cmd: [...config.args] }),
    ...(config.workingDir && { WorkingDir: config.workingDir }),
    ...(security.user !== undefined && { User: security.user }),
    // The engine makes no network of its own where the runtime joins one.
    ...(sandbox.pinned && { Hostname: sandbox.pinned.hostname, NetworkDisabled: true }),
    Env: config.env.map(([name, value]) => `${name}=${value}`),
    Labels: containerLabels(pod, sandbox.id, config),
    OpenStdin: config.stdin,
    StdinOnce: config.stdinOnce,
    Tty: config.tty,
    ...(config.stopSignal && { StopSignal: config.stopSignal }),
    // Probes are the kubelet's; an image's own health check would only cost.
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      ...namespaceModes(sandbox, config.targetContainerId),
      ...engineResources(config.resources),
      ...(config.resources.oomScoreAdj !== undefined && { OomScoreAdj: oomScoreAdjWithin(config.resources.oomScoreAdj, host.privileges) }),
      CgroupParent: sandbox.cgroupParent,
      Mounts: mountsOf(config, sandbox).map(engineMount),
      LogConfig: { Type: 'json-file', Config: { 'max-size': `${host.logs.maxSizeBytes}`, 'max-file': `${host.logs.maxFiles}` } },
      ReadonlyRootfs: security.readOnlyRootFilesystem,
      GroupAdd: security.supplementalGroups.map(String),
      ...engineSecurity(config, host),
      ...(config.cdiDevices?.length && { DeviceRequests: [{ Driver: 'cdi', DeviceIDs: [...config.cdiDevices] }] }),
    },
  }
}

/** Memory that the pod's containers share comes with their IPC namespace, unless a container brings its own. */
function mountsOf({ mounts }: ContainerConfig, { pinned }: JoinedSandbox): readonly Mount[] {
  if (!pinned || mounts.some(({ containerPath }) => posix.resolve('/', containerPath) === SHARED_MEMORY)) return mounts
  return [...mounts, { hostPath: sharedMemoryIn(pinned.directory), containerPath: SHARED_MEMORY, readOnly: false, propagation: 'None' }]
}

function namespaceModes(sandbox: JoinedSandbox, targetContainerId: string | undefined): HostConfig {
  const joined = `container:${sandbox.id}`
  const pidMode = { container: targetContainerId && `container:${targetContainerId}`, pod: joined, node: 'host' }[sandbox.pidMode]
  if (sandbox.pinned) {
    const joins: EngineRuntimeConfig = {
      Runtime: POD_RUNTIME,
      Annotations: { [SANDBOX_ANNOTATION]: sandbox.pinned.directory },
      NetworkMode: 'none',
      IpcMode: 'private',
      ...(pidMode && { PidMode: pidMode }),
    }
    return joins
  }
  return {
    NetworkMode: joined,
    IpcMode: sandbox.ipcMode === 'node' ? 'host' : joined,
    ...(pidMode && { PidMode: pidMode }),
  }
}

/** Of what may also change while a container runs. */
export function engineResources(resources: LinuxResources): HostConfig {
  const { cpuShares, cpuQuotaUs, cpuPeriodUs, memoryLimitBytes, pidsLimit } = resources
  return {
    ...(cpuShares !== undefined && { CpuShares: cpuShares }),
    ...(cpuQuotaUs !== undefined && { CpuQuota: cpuQuotaUs }),
    ...(cpuPeriodUs !== undefined && { CpuPeriod: cpuPeriodUs }),
    // Memory and swap together: pods get no swap.
    ...(memoryLimitBytes !== undefined && { Memory: memoryLimitBytes, MemorySwap: memoryLimitBytes }),
    ...(pidsLimit !== undefined && { PidsLimit: pidsLimit }),
  }
}

/** Annotations reach the runtime; the engine knows them since API 1.43. */
type EngineRuntimeConfig = HostConfig & { Runtime: string; Annotations: Record<string, string> }

/** The engine knows this since API 1.44; older ones take no notice. */
interface BindOptions {
  Propagation?: 'rprivate' | 'rslave' | 'rshared'
  ReadOnlyNonRecursive?: boolean
  ReadOnlyForceRecursive?: boolean
}

/**
 * The engine makes a mount recursively read-only where the kernel can, unless told otherwise. Where none is named it chooses the
 * propagation, private but for a path that holds its own files (`/`), which it refuses to mount privately.
 */
function engineMount({ hostPath, containerPath, readOnly, recursiveReadOnly, propagation }: Mount): MountSettings {
  const named = PROPAGATION[propagation] ?? (recursiveReadOnly === 'Enabled' ? 'rprivate' : undefined)
  const bindOptions: BindOptions = {
    ...(named && { Propagation: named }),
    ...(readOnly && recursiveReadOnly === undefined && { ReadOnlyNonRecursive: true }),
    ...(recursiveReadOnly === 'Enabled' && { ReadOnlyForceRecursive: true }),
  }
  return {
    Type: 'bind',
    Source: hostPath,
    Target: containerPath,
    ReadOnly: readOnly,
    BindOptions: bindOptions as MountSettings['BindOptions'],
  }
}

function engineSecurity({ security, devices }: ContainerConfig, { privileges, seccompJson }: HostFacts): HostConfig {
  const asked = devices.map((d) => ({ PathOnHost: d.hostPath, PathInContainer: d.containerPath, CgroupPermissions: d.permissions }))
  if (security.privileged && privileges.privilegedWorks) return { Privileged: true, Devices: asked }
  if (security.privileged) return almostPrivileged(privileges, asked)
  return {
    ...capabilityRequest(security.capabilitiesAdd, security.capabilitiesDrop, privileges),
    SecurityOpt: securityOptions(security, seccompJson),
    ...(security.procMount === 'Unmasked' && { MaskedPaths: [], ReadonlyPaths: [] }),
    Devices: asked,
  }
}

/** The parts of `Privileged`, each on its own, without the capabilities that the host lacks. */
function almostPrivileged(privileges: HostPrivileges, devices: readonly object[]): HostConfig {
  return {
    ...capabilityRequest(['ALL'], [], privileges),
    SecurityOpt: ['seccomp=unconfined', 'apparmor=unconfined', 'label=disable'],
    MaskedPaths: [],
    ReadonlyPaths: [],
    // A directory stands for all the devices in it.
    Devices: [{ PathOnHost: '/dev', PathInContainer: '/dev', CgroupPermissions: 'rwm' }, ...devices],
    DeviceCgroupRules: ['a *:* rwm'],
  }
}

function securityOptions(security: ContainerSecurity, seccompJson: string | undefined): string[] {
  return [
    ...seccompOption(security.seccomp, seccompJson),
    ...(security.noNewPrivileges ? ['no-new-privileges'] : []),
    ...(security.apparmorProfile ? [`apparmor=${security.apparmorProfile}`] : []),
  ]
}

function seccompOption(profile: SeccompProfile, json: string | undefined): string[] {
  if (profile.type === 'RuntimeDefault') return []
  return [`seccomp=${profile.type === 'Unconfined' ? 'unconfined' : (json ?? '')}`]
}
