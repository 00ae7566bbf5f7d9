/**
 * Whether a registry can be reached at all, found out before the engine is asked to pull from it: the engine's own time limits
 * are long, and a pod whose image cannot be had should say so at once.
 */
import { lookup } from 'node:dns/promises'
import { connect } from 'node:net'
import { orAbort } from '../../../base/abort.ts'

const PROBE_TIMEOUT_MS = 3_000
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
  try {
    const { address } = await orAbort(lookup(host), limited)
    for (const port of ports) {
      try {
        await canConnect(address, port, limited)
        return undefined
      } catch (error) {
        why ||= `dial tcp ${address}:${port}: ${limited.aborted ? 'i/o timeout' : messageOf(error)}`
        if (limited.aborted) break
      }
    }
  } catch (error) {
    why = `dial tcp: lookup ${host}: ${limited.aborted ? 'i/o timeout' : messageOf(error)}`
  }
  signal.throwIfAborted()
  return why
}

async function canConnect(host: string, port: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = connect({ host, port, signal }, resolve).on('error', reject)
  await promise.finally(() => socket.destroy())
}

function messageOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOTFOUND' || code === 'ENODATA') return 'no such host'
  if (code === 'EAI_AGAIN') return 'server misbehaving'
  if (code === 'ECONNREFUSED') return 'connect: connection refused'
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return 'connect: no route to host'
  return error instanceof Error ? error.message : String(error)
}
