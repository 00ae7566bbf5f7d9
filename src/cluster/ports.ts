/** The host's ports: one for the API server, chosen once and kept, and those that the user publishes. */
import { createServer } from 'node:net'
import { usageError, UserError } from './userError.ts'

/** Below the ranges that Linux, macOS and Windows give to outgoing connections, so that nobody takes it while a cluster is stopped. */
const FIRST_API_PORT = 26_443
const API_PORT_COUNT = 5_000

const LOOPBACK = '127.0.0.1'

/** Why nothing can listen there, as an error code; undefined when it is free. */
function whyTaken(port: number, host: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const server = createServer()
  server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)))
  return promise
}

const canListen = async (port: number): Promise<boolean> => (await whyTaken(port, LOOPBACK)) === undefined

/** A free port on 127.0.0.1 that no other profile has kept for itself. */
export async function chooseApiPort(taken: ReadonlySet<number>, isFree: (port: number) => Promise<boolean> = canListen): Promise<number> {
  for (let port = FIRST_API_PORT; port < FIRST_API_PORT + API_PORT_COUNT; port++) {
    if (!taken.has(port) && (await isFree(port))) return port
  }
  throw new UserError({
    area: 'IF',
    sort: 'UNAVAILABLE',
    message: `no port from ${FIRST_API_PORT} to ${FIRST_API_PORT + API_PORT_COUNT - 1} is free on 127.0.0.1`,
    hint: 'See what holds them: ss -ltnp',
  })
}

export interface PublishedPort {
  hostAddress: string
  hostPort: number
  nodePort: number
  protocol: 'tcp' | 'udp'
}

const portNumber = (text: string | undefined): number | undefined => {
  const port = Number(text)
  return text !== undefined && /^\d+$/.test(text) && port >= 1 && port <= 65_535 ? port : undefined
}

/** `[ADDRESS:]HOSTPORT:NODEPORT[/PROTOCOL]`, or one number for both; on 127.0.0.1 unless an address is given. */
export function parsePublish(text: string): PublishedPort {
  const [ports = '', protocol = 'tcp', ...rest] = text.split('/')
  const parts = /^\[([^\]]+)\]:(.*)$/.exec(ports) ? [RegExp.$1, ...RegExp.$2.split(':')] : ports.split(':')
  const nodePort = portNumber(parts.at(-1))
  const hostPort = parts.length === 1 ? nodePort : portNumber(parts.at(-2))
  if (
    nodePort === undefined ||
    hostPort === undefined ||
    parts.length > 3 ||
    rest.length > 0 ||
    (protocol !== 'tcp' && protocol !== 'udp')
  ) {
    throw usageError(`"${text}" is not a port to publish`, 'Use [ADDRESS:]HOSTPORT:NODEPORT[/tcp|udp], for example --publish 8080:30080')
  }
  return { hostAddress: parts.length === 3 ? (parts[0] as string) : LOOPBACK, hostPort, nodePort, protocol }
}

/** Says that a port is taken before anything is made, rather than when the engine refuses it at the end. */
export async function checkPublished(published: readonly string[]): Promise<void> {
  for (const { hostAddress, hostPort, nodePort, protocol } of published.map(parsePublish)) {
    // The engine itself decides about UDP, and about addresses that only it knows.
    if (protocol !== 'tcp' || (await whyTaken(hostPort, hostAddress)) !== 'EADDRINUSE') continue
    throw new UserError({
      area: 'IF',
      sort: 'CONFLICT',
      message: `port ${hostPort} of ${hostAddress} cannot be published: another program listens there`,
      hint: `Publish another one: --publish ${hostPort + 10_000 <= 65_535 ? hostPort + 10_000 : hostPort - 10_000}:${nodePort}. Who has it: ss -ltnp 'sport = :${hostPort}'`,
    })
  }
}

const UNIT_BYTES: Record<string, number> = {
  '': 2 ** 20,
  b: 1,
  k: 2 ** 10,
  kb: 2 ** 10,
  ki: 2 ** 10,
  m: 2 ** 20,
  mb: 2 ** 20,
  mi: 2 ** 20,
  g: 2 ** 30,
  gb: 2 ** 30,
  gi: 2 ** 30,
}

/** As minikube's --memory: `4g`, `2048mb`, and a bare number in megabytes. */
export function parseMemory(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(text.trim().toLowerCase())
  const unit = UNIT_BYTES[match?.[2] ?? '?']
  const bytes = match && unit ? Math.floor(Number(match[1]) * unit) : 0
  if (bytes <= 0) throw usageError(`"${text}" is not an amount of memory`, 'For example: --memory 4g')
  return bytes
}
