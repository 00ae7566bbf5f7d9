/**
 * The node container: what it is made of (pure), and its life in the engine. Privileged where the engine's host lets us; where
 * its root lacks a capability, everything by name without that one.
 */
import { readFileSync } from 'node:fs'
import type Docker from 'dockerode'
import { readComponentOptions, type ExtraConfig } from '../api/componentOptions.ts'
import { shutdownSeconds } from '../api/shutdownPeriods.ts'
import type { Engine, EngineInfo } from './engine/engine.ts'
import { EngineHttpError, engineGet } from './engine/address.ts'
import type { EngineAddress } from './engine/address.ts'
import {
  API_PORT_LABEL,
  API_SERVER_PORT,
  containerName,
  HOME_LABEL,
  MANAGED_LABEL,
  PROFILE_LABEL,
  volumeName,
  WORKER_LABEL,
} from './names.ts'
import { addressesIn } from './network.ts'
import { parsePublish } from './ports.ts'
import type { ContainerMode, ProfileConfig } from './profile.ts'
import { fullDiskError, saysDiskFull, UserError } from './userError.ts'

/** Longer than init takes at most, so that the engine never has to kill it. */
const STOP_TIMEOUT_S = 35
/** What init gives the node process unless pods are to get longer. */
const NODE_STOP_TIMEOUT_S = 20
const LOG_OPTIONS = { 'max-size': '20m', 'max-file': '3' }
const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy']

/** What the process inside gets as MINICUBE_CONFIG (src/node/config.ts reads it). */
export interface NodeProcessConfig {
  role?: 'control-plane' | 'worker'
  controlPlaneUrl?: string
  clusterName: string
  nodeName: string
  nodeIP?: string
  serviceClusterIpRange: string
  podCidr: string
  apiServerPort: number
  hostApiPort: number
  clusterDns: string
  clusterDomain: string
  sans: string[]
  cpus?: number
  memoryBytes?: number
  fakeNodes?: number
  extraConfig?: ExtraConfig
}

/** A node beside the first one. */
export interface Worker {
  name: string
  /** Empty where the engine must choose. */
  nodeIP: string
  controlPlaneUrl: string
}

export function nodeProcessConfig(profile: ProfileConfig, worker?: Worker): NodeProcessConfig {
  const nodeIP = worker?.nodeIP ?? profile.network.nodeIP
  return {
    ...(worker && { role: 'worker', controlPlaneUrl: worker.controlPlaneUrl }),
    clusterName: profile.name,
    nodeName: worker?.name ?? profile.name,
    ...(nodeIP && { nodeIP }),
    serviceClusterIpRange: profile.serviceClusterIpRange,
    podCidr: profile.podCidr,
    apiServerPort: API_SERVER_PORT,
    hostApiPort: profile.hostApiPort,
    clusterDns: profile.clusterDns,
    clusterDomain: profile.clusterDomain,
    sans: ['127.0.0.1', 'localhost', profile.name, ...(profile.network.nodeIP ? [profile.network.nodeIP] : [])],
    ...(profile.cpus && { cpus: profile.cpus }),
    ...(profile.memoryBytes && { memoryBytes: profile.memoryBytes }),
    ...(profile.fakeNodes && { fakeNodes: profile.fakeNodes }),
    ...(profile.extraConfig && { extraConfig: profile.extraConfig }),
  }
}

/** What pods were given for a shutdown of their node. */
function podSeconds({ extraConfig = {} }: Pick<ProfileConfig, 'extraConfig'>): number {
  return shutdownSeconds(readComponentOptions(extraConfig).kubelet)
}

/** How long a node container may take to stop. */
export function stopTimeoutSeconds(profile: Pick<ProfileConfig, 'extraConfig'>): number {
  return STOP_TIMEOUT_S + podSeconds(profile)
}

function rights(mode: ContainerMode): Docker.HostConfig {
  const unconfined = ['seccomp=unconfined', 'apparmor=unconfined', 'label=disable']
  if (mode === 'privileged') return { Privileged: true, SecurityOpt: unconfined }
  return {
    Privileged: false,
    CapAdd: ['ALL'],
    CapDrop: ['SYS_RESOURCE'],
    SecurityOpt: unconfined,
    // What `systempaths=unconfined` becomes in the API.
    MaskedPaths: [],
    ReadonlyPaths: [],
    DeviceCgroupRules: ['a *:* rwm'],
  }
}

/** NO_PROXY must have all that is inside, or the node's own traffic leaves through the proxy. */
function proxyEnvironment(profile: ProfileConfig, env: NodeJS.ProcessEnv): string[] {
  const set = PROXY_VARIABLES.filter((name) => env[name])
  if (!set.some((name) => /^https?_proxy$/i.test(name))) return []
  const inside = [
    'localhost',
    '127.0.0.1',
    profile.network.subnet,
    ...(profile.network.ipv6Subnet ? [profile.network.ipv6Subnet] : []),
    profile.serviceClusterIpRange,
    profile.podCidr,
    '.svc',
    `.${profile.clusterDomain}`,
  ]
  const noProxy = [env.NO_PROXY ?? env.no_proxy, ...inside].filter(Boolean).join(',')
  return [
    ...set.filter((name) => !/^no_proxy$/i.test(name)).map((name) => `${name}=${env[name]}`),
    `NO_PROXY=${noProxy}`,
    `no_proxy=${noProxy}`,
  ]
}

function portBindings(profile: ProfileConfig): Docker.PortMap {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {
    [`${API_SERVER_PORT}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: String(profile.hostApiPort) }],
  }
  for (const { hostAddress, hostPort, nodePort, protocol } of profile.publish.map(parsePublish)) {
    ;(bindings[`${nodePort}/${protocol}`] ??= []).push({ HostIp: hostAddress, HostPort: String(hostPort) })
  }
  return bindings
}

export interface ContainerSpecOptions {
  profile: ProfileConfig
  mode: ContainerMode
  /** Of the engine; Podman has no json-file limits, user namespaces must be left. */
  engine: Pick<EngineInfo, 'podman' | 'userNamespaces'>
  /** Whether the engine's host has /lib/modules: a bind would make the folder there. */
  kernelModules: boolean
  env: NodeJS.ProcessEnv
  /** minicube's folder on the host, which tells clusters of the same name apart. */
  home: string
  /** For the container of such a node; the first one's unless given. */
  worker?: Worker
}

/** Docker's API has had this since 1.41; the types have not. */
type HostConfig = Docker.HostConfig & { CgroupnsMode?: 'private' | 'host' }

export function containerSpec(options: ContainerSpecOptions): Docker.ContainerCreateOptions & { HostConfig: HostConfig } {
  const { profile, mode, engine, kernelModules, env, home, worker } = options
  const nodeName = worker?.name ?? profile.name
  const nodeIP = worker?.nodeIP ?? profile.network.nodeIP
  const ports = worker ? {} : portBindings(profile)
  const labels = {
    [MANAGED_LABEL]: 'true',
    [PROFILE_LABEL]: profile.name,
    [HOME_LABEL]: home,
    ...(worker ? { [WORKER_LABEL]: 'true' } : { [API_PORT_LABEL]: String(profile.hostApiPort) }),
  }
  return {
    name: containerName(nodeName),
    Hostname: nodeName,
    Image: profile.image,
    Labels: labels,
    Env: [
      `MINICUBE_CONFIG=${JSON.stringify(nodeProcessConfig(profile, worker))}`,
      `MINICUBE_SERVICE_CLUSTER_IP_RANGE=${profile.serviceClusterIpRange}`,
      `MINICUBE_CLUSTER_DNS=${profile.clusterDns}`,
      `MINICUBE_NODE_STOP_TIMEOUT_S=${NODE_STOP_TIMEOUT_S + podSeconds(profile)}`,
      ...proxyEnvironment(profile, env),
    ],
    ExposedPorts: Object.fromEntries(Object.keys(ports).map((port) => [port, {}])),
    StopTimeout: stopTimeoutSeconds(profile),
    NetworkingConfig: {
      EndpointsConfig: { [profile.network.name]: nodeIP ? { IPAMConfig: addressesIn(profile.network, nodeIP) } : {} },
    },
    HostConfig: {
      ...rights(mode),
      CgroupnsMode: 'private',
      ...(engine.userNamespaces && { UsernsMode: 'host' }),
      NetworkMode: profile.network.name,
      PortBindings: ports,
      // One mount for all that lasts, and none of it on the container's own overlay, where the inner engine's would not work.
      // Not filled from the image, which takes 200 ms: init makes what is needed.
      Mounts: [
        {
          Type: 'volume',
          Source: volumeName(nodeName),
          Target: '/var',
          VolumeOptions: {
            NoCopy: true,
            Labels: labels,
            DriverConfig: { Name: 'local', Options: {} },
          },
        },
      ],
      ...(kernelModules && { Binds: ['/lib/modules:/lib/modules:ro'] }),
      RestartPolicy: { Name: 'unless-stopped' },
      // PID 1 is ours even where the engine adds one by default.
      Init: false,
      ExtraHosts: ['host.minicube.internal:host-gateway', 'host.minikube.internal:host-gateway'],
      ...(!engine.podman && { LogConfig: { Type: 'json-file', Config: LOG_OPTIONS } }),
      ...(profile.cpus && { NanoCpus: Math.round(profile.cpus * 1e9) }),
      ...(profile.memoryBytes && { Memory: profile.memoryBytes, MemorySwap: profile.memoryBytes }),
    },
  }
}

const CAP_SYS_RESOURCE = 24n

/** Which way to try first: on this very host it can be read, elsewhere privileged is the normal way. */
export function likelyMode(engine: Pick<EngineInfo, 'local'>, processStatus = readFileIfThere('/proc/self/status')): ContainerMode {
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(processStatus)?.[1]
  if (!engine.local || bounding === undefined) return 'privileged'
  return (BigInt(`0x${bounding}`) >> CAP_SYS_RESOURCE) & 1n ? 'privileged' : 'capabilities'
}

function readFileIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

export function lacksCapability(error: unknown): boolean {
  return error instanceof Error && /unable to apply caps|operation not permitted/i.test(error.message)
}

/** The engine's refusals that a person can do something about. */
export function explainStartError(error: unknown, profile: ProfileConfig): unknown {
  if (!(error instanceof Error)) return error
  const port = /(?:address already in use|port is already allocated|ports are not available|failed to bind host port)/i.test(error.message)
  if (port) {
    const number = /:(\d+)(?:\/tcp|\/udp)?[: ]?(?: failed|: bind|-> | for |$)?/.exec(error.message)?.[1]
    return new UserError({
      area: 'IF',
      sort: 'CONFLICT',
      message: `a port that the cluster needs is taken on this host${number ? ` (${number})` : ''}: ${error.message}`,
      hint:
        number === String(profile.hostApiPort)
          ? `It is the API server's, and stays the same for the life of the cluster. Who has it: ss -ltnp 'sport = :${number}'`
          : 'Free it, or publish another one: --publish HOST:NODE',
      cause: error,
    })
  }
  if (saysDiskFull(error.message)) return fullDiskError(error.message, { cause: error })
  return error
}

export interface NodeState {
  id: string
  running: boolean
  paused: boolean
  status: string
  exitCode: number
  startedAt: string
  image: string
  labels: Record<string, string>
  nodeIP: string
  /** '' where it has none. */
  nodeIPv6: string
}

/** The container as the engine sees it now, without dockerode; undefined when there is none. */
export async function inspectNode(address: EngineAddress, profile: string, signal: AbortSignal): Promise<NodeState | undefined> {
  try {
    const found = (await engineGet(address, `/containers/${containerName(profile)}/json`, signal)) as Docker.ContainerInspectInfo
    const networks = Object.values(found.NetworkSettings.Networks ?? {})
    return {
      id: found.Id,
      running: found.State.Running && !found.State.Restarting,
      paused: found.State.Paused,
      status: found.State.Status,
      exitCode: found.State.ExitCode,
      startedAt: found.State.StartedAt,
      image: found.Config.Image,
      labels: found.Config.Labels ?? {},
      nodeIP: networks[0]?.IPAddress ?? '',
      nodeIPv6: networks[0]?.GlobalIPv6Address ?? '',
    }
  } catch (error) {
    if (error instanceof EngineHttpError && error.statusCode === 404) return undefined
    throw error
  }
}

/** Refuses a container of that name that is not ours, or is the cluster of another folder: of another user of this engine. */
export function checkOwned({ labels }: Pick<NodeState, 'labels'>, profile: string, home: string): void {
  const owner = labels[HOME_LABEL]
  const another = 'Choose another name: minicube start --profile NAME'
  if (labels[PROFILE_LABEL] !== profile) {
    throw new UserError({
      area: 'GUEST',
      sort: 'CONFLICT',
      message: `the engine has a container named "${containerName(profile)}" that is not minicube's`,
      hint: another,
    })
  }
  // A folder that was lost and begun anew finds its clusters again.
  if (owner === undefined || owner === home) return
  throw new UserError({
    area: 'GUEST',
    sort: 'CONFLICT',
    message: `the engine has a cluster "${profile}" already, which ${owner} knows of`,
    hint: `${another}. To work on that one: MINICUBE_HOME=${owner} minicube …`,
  })
}

export const nodeContainer = (engine: Engine, profile: string): Docker.Container => engine.docker.getContainer(containerName(profile))
