/** Requests on the group versions of remote servers: authenticated and authorized here, answered there. */
import type { OutgoingHttpHeaders } from 'node:http'
import { StatusError } from '../../api/status.ts'
import { forward } from '../proxy/forward.ts'
import type { Target } from '../proxy/kubelet.ts'
import type { Aggregator, RequestContext } from '../transport/filters.ts'
import type { Exchange } from '../transport/exchange.ts'
import type { Aggregation } from './aggregator.ts'
import type { Remote } from './remote.ts'
import { isAvailable } from './apiServices.ts'
import { userHeaders } from './remoteServer.ts'

const GROUP_VERSION_PATH = /^\/apis\/([^/]+)\/([^/]+)(?:\/|$)/
const TEXT_HEADERS: OutgoingHttpHeaders = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }

function respondText(exchange: Exchange, code: number, text: string): void {
  exchange.respond(code, TEXT_HEADERS, `${text}\n`)
}

export class AggregationProxy implements Aggregator {
  readonly #aggregation: Aggregation

  constructor(aggregation: Aggregation) {
    this.#aggregation = aggregation
  }

  serve(context: RequestContext): Promise<void> | undefined {
    if (this.#aggregation.remotes.size === 0) return undefined
    const match = GROUP_VERSION_PATH.exec(context.path)
    const remote = match && this.#aggregation.remote(match[1] as string, match[2] as string)
    return remote ? this.#proxy(context, remote) : undefined
  }

  async #proxy({ exchange, user, signal }: RequestContext, { apiService, server }: Remote): Promise<void> {
    let target: Target
    try {
      if (!isAvailable(apiService)) return respondText(exchange, 503, 'service unavailable')
      target = server.target()
    } catch {
      return respondText(exchange, 503, 'service unavailable')
    }
    try {
      await forward({ exchange, target, path: exchange.target, signal, headers: userHeaders(user), redirects: 'refuse' })
    } catch (error) {
      if (!(error instanceof StatusError) || exchange.answered) throw error
      respondText(exchange, 503, error.message)
    }
  }
}
