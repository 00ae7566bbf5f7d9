/**
 * What kube-proxy tells of itself over HTTP, at upstream's ports: whether the rules follow the cluster (load balancers ask for
 * that on every node's address; they send nothing to a node that is going away), in which mode it works, and its metrics.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Node } from '../api/kinds/core/v1.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { answerMetrics, answerNotFound, answerText } from '../client/metrics/answers.ts'
import type { ProxyMetrics } from './proxyMetrics.ts'

export interface ProxyHealth {
  /** When changes began to wait for rules; undefined while none do. */
  waitingSinceMs: number | undefined
  node: Node | undefined
}

export interface Listener {
  host: string
  port: number
}

export interface StatusServerOptions {
  clock: Clock
  log: Logger
  health: () => ProxyHealth
  /** For whoever balances over the nodes. */
  healthz: Listener
  /** For the node itself. */
  status: Listener
  metrics: ProxyMetrics
}

/** Changes may wait for so long (twice upstream's sync period). */
const PATIENCE_MS = 60_000
/** Put on a node by the cluster autoscaler before it removes it. */
const TO_BE_DELETED = 'ToBeDeletedByClusterAutoscaler'
export const HEALTHZ_PORT = 10_256
export const STATUS_PORT = 10_249

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const pathOf = ({ url = '' }: IncomingMessage): string => url.split('?')[0] ?? ''

export function followsCluster(waitingSinceMs: number | undefined, nowMs: number): boolean {
  return waitingSinceMs === undefined || nowMs - waitingSinceMs < PATIENCE_MS
}

function isEligible(node: Node | undefined): boolean {
  return !node?.metadata.deletionTimestamp && !node?.spec.taints?.some(({ key }) => key === TO_BE_DELETED)
}

function healthAnswers({ clock, health, metrics }: StatusServerOptions): Answer {
  return (request, response) => {
    const path = pathOf(request)
    if (path !== '/healthz' && path !== '/livez') return answerNotFound(response)
    const { waitingSinceMs, node } = health()
    const nowMs = clock.now()
    const follows = followsCluster(waitingSinceMs, nowMs)
    const nodeEligible = isEligible(node)
    const currentTime = new Date(nowMs).toISOString()
    const body = {
      lastUpdated: follows || waitingSinceMs === undefined ? currentTime : new Date(waitingSinceMs).toISOString(),
      currentTime,
      ...(path === '/healthz' && { nodeEligible }),
    }
    const isFine = follows && (path === '/livez' || nodeEligible)
    const status = isFine ? 200 : 503
    metrics.answered(path === '/healthz' ? 'healthz' : 'livez', status)
    answerText(response, status, JSON.stringify(body), 'application/json')
  }
}

function statusAnswers({ metrics }: StatusServerOptions): Answer {
  return (request, response) => {
    switch (pathOf(request)) {
      case '/healthz':
        return answerText(response, 200, 'ok')
      case '/proxyMode':
        return answerText(response, 200, 'nftables')
      case '/metrics':
        return answerMetrics(response, metrics.component.registry)
      default:
        return answerNotFound(response)
    }
  }
}

/** Serves until it is closed. A port that somebody else has is worth a line, no more: services work without. */
export class StatusServer {
  readonly #servers: readonly Server[]

  constructor(options: StatusServerOptions) {
    this.#servers = [
      this.#open(options.healthz, healthAnswers(options), options.log),
      this.#open(options.status, statusAnswers(options), options.log),
    ]
  }

  async listening(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.listening || once(server, 'listening')))
  }

  /** Of the health checks and the status; undefined where it does not listen. */
  get ports(): (number | undefined)[] {
    return this.#servers.map((server) => (server.address() as AddressInfo | null)?.port)
  }

  close(): void {
    for (const server of this.#servers) {
      server.close()
      server.closeAllConnections()
    }
  }

  #open({ host, port }: Listener, answer: Answer, log: Logger): Server {
    const server = createServer((request, response) => {
      request.resume()
      answer(request, response)
    })
    server.on('error', (error) => log.error(`kube-proxy cannot listen on ${host}:${port}`, error))
    return server.listen(port, host)
  }
}
