/**
 * `minicube status`, in minikube's words. It must be quick (200 ms for the whole command), so it asks the engine and the API
 * server directly, at the same time, and loads neither dockerode nor a client.
 */
import { isApiReady, isNodeReady } from './apiServer.ts'
import { readCredentials } from './credentials.ts'
import { addressOf } from './engine/engine.ts'
import { minicubeHome } from './home.ts'
import { lookUpKubeconfig } from './kubeconfig/file.ts'
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
  Worker: boolean
}

export interface StatusOptions {
  profile: string
  signal: AbortSignal
  env?: NodeJS.ProcessEnv
}

export async function getStatus(options: StatusOptions): Promise<ClusterStatus> {
  const { profile: name, env = process.env } = options
  const home = minicubeHome(env)
  return statusOf(home, await requireProfile(home, name), options)
}

async function statusOf(home: string, profile: ProfileConfig, { signal, env = process.env }: StatusOptions): Promise<ClusterStatus> {
  const credentials = await readCredentials(home, profile.name)
  const [host, api, kubelet, entry] = await Promise.all([
    hostState(profile, env, signal),
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

async function hostState(profile: ProfileConfig, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<HostState> {
  try {
    const state = await inspectNode(await addressOf(profile.engineHost, env), profile.name, signal)
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

/** minikube's bits: 1 host, 2 API server or kubelet, 4 kubeconfig. */
export function statusExitCode(status: ClusterStatus): number {
  const host = status.Host === 'Running' ? 0 : 1
  const components = status.APIServer === 'Running' && (status.Kubelet === 'Running' || status.Worker) ? 0 : 2
  return host + components + (status.Kubeconfig === 'Configured' ? 0 : 4)
}
