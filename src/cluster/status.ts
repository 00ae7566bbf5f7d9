/**
 * `minicube status`, in minikube's words. It must be quick (200 ms for the whole command), so it asks the engine and the API
 * server directly, at the same time, and loads neither dockerode nor a client.
 */
import { isApiReady, isNodeReady } from './apiServer.ts'
import { readCredentials } from './credentials.ts'
import { addressOf } from './engine/engine.ts'
import { minicubeHome } from './home.ts'
import { lookUpKubeconfig } from './kubeconfig/file.ts'
import { workerNames } from './names.ts'
import { inspectNode } from './nodeContainer.ts'
import { type ProfileConfig, requireProfile } from './profile.ts'

export type HostState = 'Running' | 'Stopped' | 'Paused' | 'Starting' | 'Nonexistent'

export interface ClusterStatus {
  Name: string
  Host: HostState
  Kubelet: HostState
  APIServer: HostState
  /** As the host where that does not run, as minikube says it. */
  Kubeconfig: 'Configured' | 'Misconfigured' | HostState
  Worker: false
}

/** A node without a control plane. */
export interface WorkerStatus {
  Name: string
  Host: HostState
  Kubelet: HostState
  Worker: true
}

export interface StatusOptions {
  profile: string
  signal: AbortSignal
  env?: NodeJS.ProcessEnv
}

/** The first node's with the control plane, and those of the others. */
export async function getStatus(options: StatusOptions): Promise<[ClusterStatus, ...WorkerStatus[]]> {
  const { profile: name, env = process.env } = options
  const home = minicubeHome(env)
  const profile = await requireProfile(home, name)
  const workers = workerNames(profile).map((worker) => workerStatus(home, profile, worker, options))
  return Promise.all([statusOf(home, profile, options), ...workers])
}

async function workerStatus(
  home: string,
  profile: ProfileConfig,
  name: string,
  { signal, env = process.env }: StatusOptions,
): Promise<WorkerStatus> {
  const credentials = await readCredentials(home, profile.name)
  const [host, kubelet] = await Promise.all([
    hostState(profile, name, env, signal),
    credentials ? isNodeReady(credentials, name, signal) : false,
  ])
  return { Name: name, Host: host, Kubelet: host === 'Running' && !kubelet ? 'Stopped' : host, Worker: true }
}

async function statusOf(home: string, profile: ProfileConfig, { signal, env = process.env }: StatusOptions): Promise<ClusterStatus> {
  const credentials = await readCredentials(home, profile.name)
  const [host, api, kubelet, entry] = await Promise.all([
    hostState(profile, profile.name, env, signal),
    credentials ? isApiReady(credentials, signal) : false,
    credentials ? isNodeReady(credentials, profile.name, signal) : false,
    lookUpKubeconfig(profile.name, { env }),
  ])
  const component = (running: boolean): HostState => (host === 'Running' && !running ? 'Stopped' : host)
  const configured = entry?.server === `https://127.0.0.1:${profile.hostApiPort}` ? 'Configured' : 'Misconfigured'
  return {
    Name: profile.name,
    Host: host,
    Kubelet: component(kubelet),
    APIServer: component(api),
    Kubeconfig: host === 'Running' ? configured : host,
    Worker: false,
  }
}

async function hostState(profile: ProfileConfig, node: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<HostState> {
  try {
    const state = await inspectNode(await addressOf(profile.engineHost, env), node, signal)
    if (!state) return 'Nonexistent'
    if (state.paused) return 'Paused'
    if (state.running) return 'Running'
    return state.status === 'restarting' ? 'Starting' : 'Stopped'
  } catch {
    signal.throwIfAborted()
    // An engine that does not answer runs no node.
    return 'Stopped'
  }
}

/** minikube's bits: 1 host, 2 API server or kubelet, 4 kubeconfig; of all nodes together. */
export function statusExitCode(nodes: readonly (ClusterStatus | WorkerStatus)[]): number {
  return nodes.reduce((code, node) => {
    const runs = node.Kubelet === 'Running' && (node.Worker || node.APIServer === 'Running')
    return code | (node.Host === 'Running' ? 0 : 1) | (runs ? 0 : 2) | (node.Worker || node.Kubeconfig === 'Configured' ? 0 : 4)
  }, 0)
}
