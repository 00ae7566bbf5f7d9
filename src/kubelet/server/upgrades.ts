/** The requests that become streams: exec, attach and port-forward, over WebSockets or SPDY. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer, createWebSocketStream } from 'ws'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { containerNames } from './containerLogs.ts'
import { HttpError } from './errors.ts'
import { type KubeletPods, type ServedPod, findServedPod } from './pods.ts'
import { PORT_FORWARD_PROTOCOL, servePortForward } from './portForward.ts'
import { type ClientStreams, type RemoteCommand, serveRemoteCommand } from './remoteCommand.ts'
import type { CommandRoute, PortForwardRoute } from './routes.ts'
import { REMOTE_COMMAND_PROTOCOLS, spdyStreams } from './spdyStreams.ts'
import { PORT_FORWARD_CHANNEL_PROTOCOLS, portsOf, serveWebSocketPortForward } from './webSocketPortForward.ts'
import { CHANNEL_PROTOCOLS, type WantedStreams, webSocketStreams } from './webSocketStreams.ts'

const TUNNEL_PROTOCOL = `SPDY/3.1+${PORT_FORWARD_PROTOCOL}`
const WEB_SOCKET_MESSAGE_LIMIT_BYTES = 32 * 1024 * 1024

export interface UpgradesOptions {
  pods: KubeletPods
  runtime: Pick<Runtime, 'exec' | 'attach' | 'dial'>
  log: Logger
  clock: Clock
}

export interface Upgrade {
  request: IncomingMessage
  socket: Duplex
  /** What came after the request's headers already. */
  head: Buffer
  query: URLSearchParams
}

export class Upgrades {
  readonly #options: UpgradesOptions
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: WEB_SOCKET_MESSAGE_LIMIT_BYTES,
    perMessageDeflate: false,
    handleProtocols: (offered) => CHANNEL_PROTOCOLS.find(({ name }) => offered.has(name))?.name ?? false,
  })
  /** The tunnel's name has a character that the package takes for an error: we read and answer that header ourselves. */
  readonly #tunnels = new WebSocketServer({ noServer: true, maxPayload: WEB_SOCKET_MESSAGE_LIMIT_BYTES, perMessageDeflate: false }).on(
    'headers',
    (headers) => headers.push(`Sec-WebSocket-Protocol: ${TUNNEL_PROTOCOL}`),
  )

  constructor(options: UpgradesOptions) {
    this.#options = options
  }

  /** Resolves when the streams are over; throws HttpError before the connection is upgraded. */
  async serve(route: CommandRoute | PortForwardRoute, upgrade: Upgrade): Promise<void> {
    const served = findPod(this.#options.pods, route)
    if (route.type === 'portForward') return this.#portForward(served, upgrade)
    return this.#remoteCommand(route, served, upgrade)
  }

  async #remoteCommand(route: CommandRoute, served: ServedPod, upgrade: Upgrade): Promise<void> {
    const wanted = wantedStreams(upgrade.query)
    const command = this.#commandFor(route, served, upgrade.query, wanted)
    if (isWebSocket(upgrade.request)) {
      const protocol = CHANNEL_PROTOCOLS.find(({ name }) => offeredProtocols(upgrade.request, 'sec-websocket-protocol').includes(name))
      if (!protocol) throw new HttpError(400, 'unable to upgrade: none of the subprotocols is served')
      const socket = await acceptWebSocket(this.#webSockets, upgrade)
      return serveRemoteCommand(webSocketStreams(socket, protocol, wanted), command)
    }
    const protocol = negotiate(upgrade.request, REMOTE_COMMAND_PROTOCOLS)
    acceptSpdy(upgrade, protocol)
    let streams: ClientStreams
    try {
      streams = await spdyStreams({ socket: upgrade.socket, protocol, wanted, clock: this.#options.clock })
    } catch (error) {
      this.#options.log.info('a client did not open its streams', { error: String(error) })
      return
    }
    return serveRemoteCommand(streams, command)
  }

  #commandFor(
    { type, container }: CommandRoute,
    { pod, containerId }: ServedPod,
    query: URLSearchParams,
    { stdin, tty }: WantedStreams,
  ): RemoteCommand {
    const { runtime, log } = this.#options
    const id = containerId(container)
    if (!containerNames(pod).includes(container) || id === undefined) throw new HttpError(404, `container not found ("${container}")`)
    if (type === 'exec') {
      const command = query.getAll('command')
      return { open: () => runtime.exec(id, { command, stdin, tty }), reportExitCode: true, log }
    }
    // An attached stream is framed as the container is, whatever the client asks for.
    const own = allContainers(pod).find(({ name }) => name === container)
    return { open: () => runtime.attach(id, { stdin: stdin && own?.stdin === true, tty: own?.tty === true }), reportExitCode: false, log }
  }

  async #portForward({ pod, sandboxId }: ServedPod, upgrade: Upgrade): Promise<void> {
    if (sandboxId === undefined) throw new HttpError(500, `failed to find sandbox for pod ${pod.metadata.name}_${pod.metadata.namespace}`)
    const { runtime, log, clock } = this.#options
    const dial = (port: number, signal: AbortSignal): Promise<Duplex> => runtime.dial(sandboxId, port, signal)
    const podName = `${pod.metadata.name}_${pod.metadata.namespace}`
    const podUid = pod.metadata.uid ?? ''
    let socket = upgrade.socket
    if (isWebSocket(upgrade.request)) {
      const offered = offeredProtocols(upgrade.request, 'sec-websocket-protocol')
      if (PORT_FORWARD_CHANNEL_PROTOCOLS.some((protocol) => offered.includes(protocol))) {
        const ports = portsOf(upgrade.query)
        if (!ports) throw new HttpError(400, 'the query must name the ports to forward, from 1 to 65535')
        return serveWebSocketPortForward(await acceptWebSocket(this.#webSockets, upgrade), ports, { dial, podName, podUid, log })
      }
      if (!offered.includes(TUNNEL_PROTOCOL)) {
        throw new HttpError(400, `unable to upgrade: the subprotocol ${TUNNEL_PROTOCOL} is needed`)
      }
      delete upgrade.request.headers['sec-websocket-protocol']
      socket = createWebSocketStream(await acceptWebSocket(this.#tunnels, upgrade))
    } else {
      acceptSpdy(upgrade, negotiate(upgrade.request, [PORT_FORWARD_PROTOCOL]))
    }
    await servePortForward({ socket, dial, podName, podUid, log, clock })
  }
}

export function findPod(pods: KubeletPods, route: { namespace: string; podName: string; podUid?: string }): ServedPod {
  const served = findServedPod(pods, route.namespace, route.podName)
  if (!served || (route.podUid !== undefined && route.podUid !== served.pod.metadata.uid)) throw new HttpError(404, 'pod does not exist')
  return served
}

function allContainers({ spec }: ServedPod['pod']): { name: string; stdin?: boolean; tty?: boolean }[] {
  return [...spec.containers, ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])]
}

/** The kubelet's own parameters (`input`, …) and those of PodExecOptions (`stdin`, …). */
export function wantedStreams(query: URLSearchParams): WantedStreams {
  const flag = (...names: string[]): boolean => names.some((name) => ['1', 'true'].includes(query.get(name) ?? ''))
  const tty = flag('tty')
  const wanted = { stdin: flag('input', 'stdin'), stdout: flag('output', 'stdout'), stderr: flag('error', 'stderr') && !tty, tty }
  if (!wanted.stdin && !wanted.stdout && !wanted.stderr) throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr')
  return wanted
}

function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket'
}

export function isSpdy(request: Pick<IncomingMessage, 'headers'>): boolean {
  return request.headers.upgrade?.toLowerCase() === 'spdy/3.1'
}

function offeredProtocols(request: IncomingMessage, header: 'sec-websocket-protocol' | 'x-stream-protocol-version'): string[] {
  return [request.headers[header] ?? []]
    .flat()
    .flatMap((value) => value.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** The first of the client's that is served here; a client without any speaks the oldest. */
function negotiate<T extends string>(request: IncomingMessage, served: readonly T[]): T {
  if (!isSpdy(request)) throw new HttpError(400, 'unable to upgrade: missing upgrade headers in request')
  const offered = offeredProtocols(request, 'x-stream-protocol-version')
  const chosen = offered.length === 0 ? served.at(-1) : served.find((name) => name === offered.find((o) => served.includes(o as T)))
  if (chosen !== undefined) return chosen
  const list = (names: readonly string[]): string => `[${names.join(' ')}]`
  throw new HttpError(
    403,
    `unable to upgrade: unable to negotiate protocol: client supports ${list(offered)}, server accepts ${list(served)}`,
    {
      'X-Accepted-Stream-Protocol-Versions': served.join(', '),
    },
  )
}

function acceptSpdy({ socket, head }: Upgrade, protocol: string): void {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  )
  if (head.length > 0) socket.unshift(head)
}

async function acceptWebSocket(server: WebSocketServer, { request, socket, head }: Upgrade): Promise<WebSocket> {
  if (request.method !== 'GET') throw new HttpError(405, 'Method Not Allowed')
  return new Promise((resolve) => server.handleUpgrade(request, socket, head, resolve))
}
