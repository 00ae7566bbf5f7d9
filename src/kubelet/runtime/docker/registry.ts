/**
 * Whether a registry can be reached at all, found out before the engine is asked to pull from it: the engine's own time limits
 * are long, and a pod whose image cannot be had should say so at once.
 */
import { connect } from 'node:net'
import { orAbort } from '../../../base/abort.ts'

const PROBE_TIMEOUT_MS = 2_000
/** The registry that `docker.io` stands for. */
const DOCKER_HUB = 'registry-1.docker.io'

export interface RegistryEndpoint {
  host: string
  /** Tried in this order. */
  ports: readonly number[]
}

export function endpointOf(registry: string): RegistryEndpoint {
  if (registry === 'docker.io') return { host: DOCKER_HUB, ports: [443] }
  const match = /^(.*?)(?::(\d+))?$/.exec(registry)
  const host = (match?.[1] ?? registry).replace(/^\[|\]$/g, '')
  return { host, ports: match?.[2] ? [Number(match[2])] : [443, 80] }
}

/** What stands in the way, or undefined when a connection can be made. */
export async function whyUnreachable({ host, ports }: RegistryEndpoint, signal: AbortSignal): Promise<string | undefined> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)])
  let why = ''
  for (const port of ports) {
    try {
      await canConnect(host, port, limited)
      return undefined
    } catch (error) {
      why ||= limited.aborted ? `dial tcp ${host}:${port}: i/o timeout` : messageOf(error, host, port)
      if (limited.aborted) break
    }
  }
  signal.throwIfAborted()
  return why
}

async function canConnect(host: string, port: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // Tries all of the name's addresses.
  const socket = connect({ host, port, autoSelectFamily: true }, resolve).on('error', reject)
  await orAbort(promise, signal).finally(() => socket.destroy())
}

function messageOf(error: unknown, host: string, port: number): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const lookup = LOOKUP_ERRORS[code]
  if (lookup) return `dial tcp: lookup ${host}: ${lookup}`
  return `dial tcp ${host}:${port}: ${CONNECT_ERRORS[code] ?? (error instanceof Error ? error.message : String(error))}`
}

const LOOKUP_ERRORS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no such host',
  ENODATA: 'no such host',
  EAI_AGAIN: 'server misbehaving',
}
const CONNECT_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'connect: connection timed out',
}
