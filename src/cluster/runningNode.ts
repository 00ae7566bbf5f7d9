/** The node container of a profile, for commands that need a running cluster. */
import type Docker from 'dockerode'
import { type EngineAddress, EngineHttpError, explainNoAnswer } from './engine/address.ts'
import { addressOf, type Engine, engineAway, openEngine } from './engine/engine.ts'
import { minicubeHome } from './home.ts'
import { DEFAULT_PROFILE } from './names.ts'
import { inspectNode, nodeContainer, type NodeState } from './nodeContainer.ts'
import { type ProfileConfig, requireProfile } from './profile.ts'
import { UserError } from './userError.ts'

export interface ClusterOptions {
  profile: string
  signal: AbortSignal
  env?: NodeJS.ProcessEnv
}

export interface RunningNode {
  home: string
  profile: ProfileConfig
  engine: Engine
  container: Docker.Container
  state: NodeState
}

/** A node that is stopped is an error (exit code 83), unless `stopped` says that it will do. */
export async function openNode(
  { profile: name, signal, env = process.env }: ClusterOptions,
  { stopped = false } = {},
): Promise<RunningNode> {
  const home = minicubeHome(env)
  const profile = await requireProfile(home, name)
  const address = await addressOf(profile.engineHost, env)
  const state = await inspectInEngine(address, name, signal)
  if (!state || (!state.running && !stopped)) throw notRunning(name)
  const engine = await openEngine(address)
  return { home, profile, engine, container: nodeContainer(engine, name), state }
}

/** As inspectNode; an engine that does not answer is a person's affair (exit code 53). */
export function inspectInEngine(address: EngineAddress, name: string, signal: AbortSignal): Promise<NodeState | undefined> {
  return inspectNode(address, name, signal).catch((cause: unknown) => {
    signal.throwIfAborted()
    throw cause instanceof EngineHttpError ? cause : engineAway(address.host, explainNoAnswer(cause), cause)
  })
}

function notRunning(name: string): UserError {
  return new UserError({
    area: 'GUEST',
    sort: 'NOT_RUNNING',
    message: `the cluster "${name}" is not running`,
    hint: `To start it: minicube start${name === DEFAULT_PROFILE ? '' : ` --profile ${name}`}`,
  })
}

/** The node's addresses, as the engine gave them; IPv6 is '' where it has none. */
export async function getNodeAddresses(options: ClusterOptions): Promise<{ IP: string; IPv6: string }> {
  const { state, profile } = await openNode(options)
  return { IP: state.nodeIP || profile.network.nodeIP, IPv6: state.nodeIPv6 }
}
