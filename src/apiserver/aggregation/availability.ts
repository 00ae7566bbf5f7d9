/**
 * Whether the server behind an APIService can be asked (kube-aggregator's availability controllers): its Service is there,
 * has the port and ready endpoints, and answers discovery of the group version.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { APIService, APIServiceCondition } from '../../api/kinds/apiregistration/v1.ts'
import type { Service } from '../../api/kinds/core/v1.ts'
import type { EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import type { UserInfo } from '../request.ts'
import { textOf } from '../webhooks/callErrors.ts'
import type { RemoteServer } from './remoteServer.ts'
import type { ServiceAt } from './apiServices.ts'

export type Availability = Omit<APIServiceCondition, 'type' | 'lastTransitionTime'>

export const LOCAL: Availability = { status: 'True', reason: 'Local', message: 'Local APIServices are always available' }
export const PASSED: Availability = { status: 'True', reason: 'Passed', message: 'all checks passed' }

/** Whoever looks after availability may see everything that there is to see. */
export const AGGREGATOR_USER: UserInfo = { name: 'system:kube-aggregator', groups: ['system:masters'], extra: {} }

/** Enough to pass over one bad endpoint among several. */
const ATTEMPTS = 5
/** The others are not made where the first is answered well by then: each is a new connection, and checks come every half minute. */
const FIRST_MS = 500
const CHECK_TIMEOUT_MS = 5_000

const failed = (reason: string, message: string): Availability => ({ status: 'False', reason, message })

/** What is wrong with the service before anything is asked of it. Pure. */
export function serviceFault(
  { namespace, name, port }: ServiceAt,
  service: Service | undefined,
  slices: readonly EndpointSlice[],
): Availability | undefined {
  const quoted = JSON.stringify(namespace)
  if (!service) return failed('ServiceNotFound', `service/${name} in ${quoted} is not present`)
  if ((service.spec.type ?? 'ClusterIP') !== 'ClusterIP') return undefined
  const servicePort = (service.spec.ports ?? []).find((candidate) => candidate.port === port)
  if (!servicePort) return failed('ServicePortError', `service/${name} in ${quoted} is not listening on port ${port}`)
  if (slices.length === 0) return failed('EndpointsNotFound', `cannot find endpointslices for service/${name} in ${quoted}`)
  const portName = servicePort.name ?? ''
  const ready = slices.some(
    ({ endpoints, ports }) =>
      (endpoints ?? []).some((endpoint) => endpoint.conditions?.ready !== false) &&
      (ports ?? []).some((candidate) => (candidate.name ?? '') === portName && candidate.port !== undefined),
  )
  if (ready) return undefined
  return failed(
    'MissingEndpoints',
    `endpointslices for service/${name} in ${quoted} have no addresses with port name ${JSON.stringify(portName)}`,
  )
}

/** Go says `host:port`, and brackets around an IPv6 address. */
export function hostPort({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

async function attempt(server: RemoteServer, path: string, signal: AbortSignal): Promise<void> {
  const url = `https://${hostPort(server.target())}${path}`
  let status: number
  try {
    const response = await server.open(path, { user: AGGREGATOR_USER, signal })
    status = response.statusCode ?? 0
    response.resume()
  } catch (cause) {
    const why = signal.aborted ? 'context deadline exceeded' : cause instanceof Error ? textOf(cause) : String(cause)
    throw new Error(`failing or missing response from ${url}: Get ${JSON.stringify(url)}: ${why}`, { cause })
  }
  if (status < 200 || status >= 300) throw new Error(`failing or missing response from ${url}: bad status from ${url}: ${status}`)
}

async function anyAttempt(server: RemoteServer, path: string, signal: AbortSignal): Promise<void> {
  const first = attempt(server, path, signal)
  const waiting = new AbortController()
  const late = sleep(FIRST_MS, false, { signal: waiting.signal }).catch(() => false)
  const isGood = first.then(
    () => true,
    () => false,
  )
  const done = await Promise.race([isGood, late])
  waiting.abort()
  if (!done) await Promise.any([first, ...Array.from({ length: ATTEMPTS - 1 }, () => attempt(server, path, signal))])
}

/** Asks the server for the discovery of its group version; one answer of several is enough. */
export async function discoveryFault(server: RemoteServer, { spec }: APIService, stopping: AbortSignal): Promise<Availability | undefined> {
  const path = spec.group ? `/apis/${spec.group}/${spec.version}` : `/api/${spec.version}`
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(CHECK_TIMEOUT_MS)])
  try {
    await anyAttempt(server, path, signal)
    return undefined
  } catch (error) {
    const last = error instanceof AggregateError ? (error.errors.at(-1) as unknown) : error
    return failed('FailedDiscoveryCheck', last instanceof Error ? last.message : String(last))
  }
}
