/** The host's ports: one for the API server, chosen once and kept, and those that the user publishes. */
import { createServer } from 'node:net'
import { usageError, UserError } from './userError.ts'

/** Below the ranges that Linux, macOS and Windows give to outgoing connections, so that nobody takes it while a cluster is stopped. */
const FIRST_API_PORT = 26_443
const API_PORT_COUNT = 5_000

function canListen(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', () => resolve(false))
  server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  return promise
}

/** A free port on 127.0.0.1 that no other profile has kept for itself. */
export async function chooseApiPort(taken: ReadonlySet<number>, isFree: (port: number) => Promise<boolean> = canListen): Promise<number> {
  for (let port = FIRST_API_PORT; port < FIRST_API_PORT + API_PORT_COUNT; port++) {
    if (!taken.has(port) && (await isFree(port))) return port
  }
  throw new UserError({
    area: 'IF',
    sort: 'UNAVAILABLE',
    message: `no port from ${FIRST_API_PORT} to ${FIRST_API_PORT + API_PORT_COUNT - 1} is free on 127.0.0.1`,
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
  return { hostAddress: parts.length === 3 ? (parts[0] as string) : '127.0.0.1', hostPort, nodePort, protocol }
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
