/** Where requests wait for their turn: flow control as the filters see it. */
import type { Clock } from '../../base/clock.ts'
import type { FlowControl } from '../flowcontrol/flowControl.ts'
import { seatsOf } from '../flowcontrol/workEstimate.ts'
import type { FlowControlMetrics } from '../metrics/flowControlMetrics.ts'
import type { UserInfo } from '../request.ts'
import type { Exchange } from './exchange.ts'
import type { RequestInfo } from './requestInfo.ts'

export interface Pass {
  readonly release: () => void
}

export type RequestKind = 'mutating' | 'readOnly'

const MUTATING = new Set(['create', 'update', 'patch', 'delete', 'deletecollection', 'post', 'put'])

export function kindOfVerb(verb: string): RequestKind {
  return MUTATING.has(verb) ? 'mutating' : 'readOnly'
}

export interface RequestGateOptions {
  flowControl: FlowControl
  metrics: FlowControlMetrics
  /** How many objects of a resource there are. */
  countObjects: (group: string, resource: string) => number
  clock: Clock
}

const LONG_RUNNING = new Set(['attach', 'exec', 'proxy', 'log', 'portforward'])

export class RequestGate {
  readonly #options: RequestGateOptions

  constructor(options: RequestGateOptions) {
    this.#options = options
  }

  /** Throws, or rejects with, a RejectedError. Streams and proxied requests pass without seats. */
  enter(exchange: Exchange, user: UserInfo, info: RequestInfo, query: URLSearchParams): Pass | Promise<Pass> | undefined {
    const { flowControl, countObjects } = this.#options
    const flow = flowControl.flowOf(user, info)
    if (!flow) return undefined
    for (const [name, value] of Object.entries(flow.headers)) exchange.setHeader(name, value)
    if (flow.level.exempt && info.verb === 'watch') return undefined
    if (LONG_RUNNING.has(info.subresource)) return undefined
    const seats = flow.level.exempt ? 1 : seatsOf(info, query, () => countObjects(info.group, info.resource))
    const entered = flowControl.enter(flow, user, info, seats, (callback) => exchange.onGone(callback))
    return entered instanceof Promise ? this.#waited(entered, flow.level.name, flow.schema.metadata.name) : entered
  }

  async #waited(entered: Promise<Pass>, level: string, schema: string): Promise<Pass> {
    const { clock, metrics } = this.#options
    const startMs = clock.now()
    let executed = false
    try {
      const pass = await entered
      executed = true
      return pass
    } finally {
      metrics.waited(level, schema, executed, (clock.now() - startMs) / 1000)
    }
  }
}
