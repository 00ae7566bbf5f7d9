/**
 * The container engine that clusters live in: the user's where one answers, minicube's own on Linux otherwise. Everything
 * else in cluster/ gets an `Engine` and does not care which.
 */
import type Docker from 'dockerode'
import { UserError } from '../userError.ts'
import { type EngineAddress, engineConnection, engineGet, OWN_ENGINE, pingEngine } from './address.ts'
import { loadDockerode } from './dockerode.ts'
import type { StartOwnEngineOptions } from './ownEngine.ts'
import { describeTried, engineCandidates, findEngine } from './discovery.ts'

export interface Engine {
  address: EngineAddress
  docker: Docker
}

export interface FindEngineOptions {
  /** The engine that an existing cluster lives in: no other will do. */
  host?: string
  /** May packages be installed for an engine of our own? */
  installAllowed: boolean
  onNotice(message: string): void
  signal: AbortSignal
  env?: NodeJS.ProcessEnv
}

/** dockerode loads slowly (70 ms and more): only what needs it waits for it. */
export async function openEngine(address: EngineAddress): Promise<Engine> {
  const Dockerode = await loadDockerode()
  return { address, docker: new Dockerode({ ...engineConnection(address), ...address.tls }) }
}

export async function findOrStartEngine(options: FindEngineOptions): Promise<EngineAddress> {
  const { signal } = options
  if (options.host) return requireEngine(options.host, options)
  const candidates = await engineCandidates({ ...(options.env && { env: options.env }) })
  if (!candidates.exclusive) candidates.addresses.push(OWN_ENGINE)
  for (const address of candidates.exclusive ? candidates.addresses : []) checkAddress(address)
  const { found, tried } = await findEngine(candidates, signal)
  const tellInstead = (used: EngineAddress): EngineAddress => {
    for (const { address, problem } of tried.filter((one) => one.address.chosen))
      options.onNotice(`${address.source} (${address.host}) does not answer: ${problem}. Using ${used.source} at ${used.host}`)
    return used
  }
  if (found) return tellInstead(found)
  const message = `no container engine answers:\n${describeTried(tried)}`
  if (candidates.exclusive) {
    throw new UserError({
      area: 'DRIVER',
      sort: 'UNAVAILABLE',
      message,
      hint: 'Start that engine, or unset DOCKER_HOST and DOCKER_CONTEXT to let minicube choose',
    })
  }
  if (process.platform !== 'linux') {
    throw new UserError({
      area: 'DRIVER',
      sort: 'NOT_FOUND',
      message,
      hint: 'Install and start one of Docker Desktop (https://docs.docker.com/desktop), Colima (brew install colima docker && colima start) or Rancher Desktop',
    })
  }
  if (process.getuid?.() !== 0) {
    throw new UserError({
      area: 'DRIVER',
      sort: 'NOT_FOUND',
      message,
      hint: tried.some((one) => one.problem === 'permission denied')
        ? 'You may not use that engine: sudo usermod -aG docker $USER, then log in again'
        : 'Install Docker (https://docs.docker.com/engine/install), or run minicube as root to let it run an engine of its own',
    })
  }
  return tellInstead(await startOurs({ ...options, findStarted: async () => (await findEngine(candidates, signal)).found }))
}

/** What can never answer is told as such. */
function checkAddress(address: EngineAddress): void {
  if (address.host !== '') return void engineConnection(address)
  throw new UserError({
    area: 'DRIVER',
    sort: 'NOT_FOUND',
    message: `${address.source}, and there is no such context`,
    hint: 'To see the contexts: docker context ls. To let minicube choose an engine: unset DOCKER_CONTEXT',
  })
}

/** Loaded only when it is started: most commands find it running. */
async function startOurs(options: StartOwnEngineOptions): Promise<EngineAddress> {
  const { startOwnEngine } = await import('./ownEngine.ts')
  return startOwnEngine(options)
}

/** The engine of an existing cluster, started first if it is our own. */
async function requireEngine(host: string, options: FindEngineOptions): Promise<EngineAddress> {
  const address = await addressOf(host, options.env)
  if (host === OWN_ENGINE.host && process.getuid?.() === 0) return startOurs(options)
  const problem = await pingEngine(address, options.signal)
  if (problem === undefined) return address
  throw engineAway(host, problem)
}

/** The engine that an existing cluster lives in does not answer, for this reason. */
export function engineAway(host: string, problem: string, cause?: unknown): UserError {
  return new UserError({
    area: 'DRIVER',
    sort: 'NOT_RUNNING',
    message: `the container engine that this cluster lives in does not answer: ${host}: ${problem}`,
    hint:
      host === OWN_ENGINE.host
        ? "It is minicube's own: minicube start starts it, as root"
        : 'Start that engine and try again; minicube delete forgets the cluster',
    cause,
  })
}

/** An address as recorded, with the certificates that the environment or the contexts have for it today. */
export async function addressOf(host: string, env: NodeJS.ProcessEnv = process.env): Promise<EngineAddress> {
  if (host === OWN_ENGINE.host) return OWN_ENGINE
  if (host.startsWith('unix://')) return { host, source: "the cluster's profile" }
  const { addresses } = await engineCandidates({ env })
  return addresses.find((address) => address.host === host) ?? { host, source: "the cluster's profile" }
}

export interface EngineInfo {
  architecture: string
  operatingSystem: string
  serverVersion: string
  /** Of the engine's API, `1.45`. */
  apiVersion: string
  cgroupVersion: string
  cpus: number
  memoryBytes: number
  rootless: boolean
  userNamespaces: boolean
  podman: boolean
  /** In the same kernel as we: its containers' addresses can be reached from here. */
  local: boolean
}

export async function engineInfo(address: EngineAddress, signal: AbortSignal): Promise<EngineInfo> {
  const [told, version] = await Promise.all([engineGet(address, '/info', signal), engineGet(address, '/version', signal)])
  const info = told as {
    Architecture: string
    OperatingSystem: string
    ServerVersion: string
    CgroupVersion?: string
    NCPU: number
    MemTotal: number
    SecurityOptions?: string[]
    KernelVersion: string
    ProductLicense?: string
  }
  const security = info.SecurityOptions ?? []
  const { release } = await import('node:os')
  return {
    architecture: ({ x86_64: 'amd64', aarch64: 'arm64' } as Record<string, string>)[info.Architecture] ?? info.Architecture,
    operatingSystem: info.OperatingSystem,
    serverVersion: info.ServerVersion,
    apiVersion: (version as { ApiVersion: string }).ApiVersion,
    cgroupVersion: info.CgroupVersion ?? '1',
    cpus: info.NCPU,
    memoryBytes: info.MemTotal,
    rootless: security.some((option) => option.includes('name=rootless')),
    userNamespaces: security.some((option) => option.includes('name=userns')),
    podman: address.host.includes('podman'),
    local:
      process.platform === 'linux' &&
      address.host.startsWith('unix://') &&
      info.KernelVersion === release() &&
      !info.OperatingSystem.includes('Docker Desktop'),
  }
}
