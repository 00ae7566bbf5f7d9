/**
 * The kubelet's HTTPS server (port 10250), which the API server calls for logs, exec, attach and port-forward, and metrics
 * collectors for usage. Paths, parameters, shapes and texts are upstream's (pkg/kubelet/server); callers need a client
 * certificate of the cluster's authority, and permission on the Node.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Server, createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { isAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { VolumeUse } from '../volumes/volumeStats.ts'
import { type AuthenticateToken, type AuthorizeCaller, authorizeCaller, callerOf } from './authentication.ts'
import { logContainerId, parseLogRequest, writeLog } from './containerLogs.ts'
import { HttpError } from './errors.ts'
import { renderMetrics } from '../metrics/exposition.ts'
import { probeMetrics } from './ownMetrics.ts'
import { type KubeletPods, findServedPod } from './pods.ts'
import { NODE_LOG_DIRECTORY, serveNodeLogs } from './nodeLogs.ts'
import { type Route, parseRoute, verbOf } from './routes.ts'
import { Stats } from './stats.ts'
import { Upgrades, findPod } from './upgrades.ts'
import type { NodeUsage } from './usage.ts'

export interface KubeletServerOptions {
  address: string
  /** 0 lets the system choose. */
  port: number
  /** PEM texts. */
  tls: { key: string; cert: string; clientCa: string }
  authorize: AuthorizeCaller
  authenticate?: AuthenticateToken
  /** The settings that hold, as a KubeletConfiguration. */
  configuration?: () => object
  nodeName: string
  pods: KubeletPods
  runtime: Pick<Runtime, 'exec' | 'attach' | 'dial' | 'logs' | 'stats' | 'diskUsage' | 'images'>
  rootDir: string
  nodeUsage: () => Promise<NodeUsage>
  volumes: (pod: Pod, signal: AbortSignal) => Promise<VolumeUse[]>
  measures: KubeletMeasures
  log: Logger
  clock: Clock
}

export interface KubeletServer {
  port: number
  /** Ends what is under way. */
  close(): Promise<void>
}

/** Go's own limit: the command of an exec stands in the request's line. */
const MAX_HEADER_BYTES = 1024 * 1024

export async function startKubeletServer(options: KubeletServerOptions): Promise<KubeletServer> {
  const { key, cert, clientCa } = options.tls
  const handler = new RequestHandler(options)
  // A caller without a certificate gets an answer (401) rather than a broken handshake.
  const server = createServer({
    key,
    cert,
    ca: clientCa,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    maxHeaderSize: MAX_HEADER_BYTES,
  })
  const sockets = new Set<Duplex>()
  server.on('secureConnection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('request', (request, response) => void handler.onRequest(request, response))
  server.on('upgrade', (request, socket, head) => void handler.onUpgrade(request, socket, head))
  await listen(server, options)
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

async function listen(server: Server, { address, port }: KubeletServerOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(port, address, resolve)
  await promise
  server.off('error', reject)
}

/** Paths that go on with a pod; `stats` with what of it. */
const POD_PATHS = new Set(['attach', 'checkpoint', 'containerLogs', 'exec', 'portForward', 'stats'])
const LONG_RUNNING = new Set(['attach', 'exec', 'portForward'])

class RequestHandler {
  readonly #options: KubeletServerOptions
  readonly #stats: Stats
  readonly #upgrades: Upgrades

  constructor(options: KubeletServerOptions) {
    this.#options = options
    this.#stats = new Stats(options)
    this.#upgrades = new Upgrades(options)
  }

  /** By the first part of the path, as upstream; streams count when they begin. */
  #count(request: IncomingMessage): { method: string; path: string; server_type: string; long_running: string } {
    const path = (request.url ?? '/').split('?')[0]?.split('/')[1] ?? ''
    const served = parseRoute(`/${path}`) !== undefined || POD_PATHS.has(path)
    const labels = {
      method: request.method ?? '',
      path: served ? path : 'other',
      server_type: 'readwrite',
      long_running: String(LONG_RUNNING.has(path)),
    }
    this.#options.measures.count('kubelet_http_requests_total', labels)
    return labels
  }

  async onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { measures, clock } = this.#options
    const gone = new AbortController()
    const startedMs = clock.now()
    const labels = this.#count(request)
    response.on('close', () => {
      measures.observeSince('kubelet_http_requests_duration_seconds', startedMs, labels)
      gone.abort()
    })
    response.on('error', () => {})
    try {
      const { route, query } = await this.#admit(request)
      await this.#answer(route, query, response, gone.signal)
    } catch (error) {
      if (gone.signal.aborted) return
      if (response.headersSent) return void response.destroy(error instanceof Error ? error : undefined)
      const { code, message, headers } = this.#errorAnswer(error, request)
      response.writeHead(code, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' }).end(message)
    }
  }

  async onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => {})
    this.#count(request)
    try {
      const { route, query } = await this.#admit(request)
      if (route.type !== 'exec' && route.type !== 'attach' && route.type !== 'portForward') {
        throw new HttpError(400, 'this path serves no streams')
      }
      await this.#upgrades.serve(route, { request, socket, head, query })
    } catch (error) {
      const { code, message, headers } = this.#errorAnswer(error, request)
      const extra = Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')
      socket.end(
        `HTTP/1.1 ${code} ${code === 401 ? 'Unauthorized' : 'Error'}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
          `${extra}Content-Length: ${Buffer.byteLength(message)}\r\n\r\n${message}`,
      )
    }
  }

  async #admit(request: IncomingMessage): Promise<{ route: Route; query: URLSearchParams }> {
    const caller = await callerOf(request, this.#options.authenticate)
    const url = new URL(request.url ?? '/', 'https://kubelet')
    const route = parseRoute(url.pathname)
    if (!route) throw new HttpError(404, '404 page not found\n')
    await authorizeCaller(caller, verbOf(request.method), route, this.#options.authorize)
    return { route, query: url.searchParams }
  }

  async #answer(route: Route, query: URLSearchParams, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { pods, runtime, clock } = this.#options
    switch (route.type) {
      case 'healthz':
        return void response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end('ok')
      case 'pods':
        return sendJson(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: pods.all() })
      case 'statsSummary':
        return sendJson(response, await this.#stats.summary(signal))
      case 'runningPods':
        return sendJson(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: pods.running() })
      case 'configz':
        return sendJson(response, { kubeletconfig: this.#options.configuration?.() ?? {} })
      case 'metrics':
        return sendMetrics(response, renderMetrics(await this.#stats.ownMetrics(signal)))
      case 'metricsCadvisor':
        return sendMetrics(response, renderMetrics(await this.#stats.cadvisorMetrics()))
      case 'metricsProbes':
        return sendMetrics(response, renderMetrics(probeMetrics(pods.probeCounts())))
      case 'metricsResource':
        return sendMetrics(response, await this.#stats.resourceMetrics())
      case 'logs':
        return serveNodeLogs(NODE_LOG_DIRECTORY, route.path, response, signal)
      case 'checkpoint':
        findPod(pods, route)
        throw new HttpError(
          404,
          `checkpointing of ${route.namespace}/${route.podName}/${route.container} failed: the container runtime does not support it\n`,
        )
      case 'containerLogs': {
        const asked = parseLogRequest(query, clock.now())
        const served = findServedPod(pods, route.namespace, route.podName)
        if (!served) throw new HttpError(404, `pod "${route.podName}" does not exist`)
        const id = logContainerId(served, route.container, asked.previous)
        response.writeHead(200, { 'Content-Type': 'text/plain' }).flushHeaders()
        await writeLog(runtime, id, asked, response, signal)
        return void response.end()
      }
      case 'exec':
      case 'attach':
      case 'portForward':
        findPod(pods, route)
        throw new HttpError(400, 'unable to upgrade: missing upgrade headers in request')
    }
  }

  #errorAnswer(error: unknown, request: IncomingMessage): { code: number; message: string; headers: Readonly<Record<string, string>> } {
    if (error instanceof HttpError) return error
    if (!isAbort(error)) this.#options.log.error('request failed', error, { path: request.url?.split('?')[0] })
    return { code: 500, message: error instanceof Error ? error.message : String(error), headers: {} }
  }
}

function sendMetrics(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text)
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}
