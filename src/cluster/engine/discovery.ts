/**
 * Which engines this user may have, in the order in which the docker CLI and people would pick them. What the user named
 * (DOCKER_HOST, DOCKER_CONTEXT) is the only candidate then: an answer from somewhere else would surprise.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { EngineAddress } from './address.ts'
import { pingEngine } from './address.ts'
import { contextAddress, currentContext, readTls } from './dockerContext.ts'

export interface DiscoveryOptions {
  env?: NodeJS.ProcessEnv
  home?: string
  signal: AbortSignal
}

export interface EngineCandidates {
  addresses: EngineAddress[]
  /** The user said which one: no other, and none of our own. */
  exclusive: boolean
}

function usualSockets(home: string, env: NodeJS.ProcessEnv): EngineAddress[] {
  const runtime = env.XDG_RUNTIME_DIR
  const sockets: [path: string, source: string][] = [
    ['/var/run/docker.sock', 'Docker'],
    [join(home, '.docker/run/docker.sock'), 'Docker Desktop'],
    [join(home, '.docker/desktop/docker.sock'), 'Docker Desktop for Linux'],
    [join(home, '.colima/default/docker.sock'), 'Colima'],
    [join(home, '.orbstack/run/docker.sock'), 'OrbStack'],
    [join(home, '.rd/docker.sock'), 'Rancher Desktop'],
    ...(runtime ? [[join(runtime, 'docker.sock'), 'rootless Docker'] as [string, string]] : []),
    ['/run/podman/podman.sock', 'Podman'],
    ...(runtime ? [[join(runtime, 'podman/podman.sock'), 'rootless Podman'] as [string, string]] : []),
  ]
  return sockets.map(([path, source]) => ({ host: `unix://${path}`, source }))
}

export async function engineCandidates(options: Omit<DiscoveryOptions, 'signal'>): Promise<EngineCandidates> {
  const { env = process.env, home = homedir() } = options
  if (env.DOCKER_HOST) {
    const tls = env.DOCKER_TLS_VERIFY && env.DOCKER_CERT_PATH ? await readTls(env.DOCKER_CERT_PATH) : undefined
    return { addresses: [{ host: env.DOCKER_HOST, source: 'DOCKER_HOST', ...(tls && { tls }) }], exclusive: true }
  }
  const dockerConfig = env.DOCKER_CONFIG || join(home, '.docker')
  const context = await currentContext(dockerConfig, env)
  const chosen = context ? await contextAddress(dockerConfig, context) : undefined
  if (env.DOCKER_CONTEXT && context) {
    return {
      addresses: [chosen ?? { host: '', source: `DOCKER_CONTEXT is "${context}"` }],
      exclusive: true,
    }
  }
  const others = usualSockets(home, env).filter((address) => address.host !== chosen?.host)
  return { addresses: chosen ? [{ ...chosen, chosen: true }, ...others] : others, exclusive: false }
}

export interface Tried {
  address: EngineAddress
  problem: string
}

/** The first candidate that answers; what was tried otherwise. All are asked at once, and the order decides. */
export async function findEngine(
  candidates: EngineCandidates,
  signal: AbortSignal,
): Promise<{ found: EngineAddress | undefined; tried: Tried[] }> {
  const answers = candidates.addresses.map((address) => pingEngine(address, signal))
  const tried: Tried[] = []
  for (const [index, address] of candidates.addresses.entries()) {
    const problem = await answers[index]
    if (problem === undefined) return { found: address, tried }
    tried.push({ address, problem })
  }
  return { found: undefined, tried }
}

export function describeTried(tried: readonly Tried[]): string {
  const there = tried.filter((one) => one.problem !== 'no such socket')
  const absent = tried.filter((one) => one.problem === 'no such socket').map((one) => one.address.host.replace('unix://', ''))
  return [
    ...there.map(({ address, problem }) => `${address.source} (${address.host}): ${problem}`),
    ...(absent.length > 0 ? [`not there: ${absent.join(', ')}`] : []),
  ].join('\n')
}
