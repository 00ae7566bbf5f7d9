/** Where requests wait for their turn: flow control as the filters see it. */
import type { Clock } from '../../base/clock.ts'
import type { FlowControl } from '../flowcontrol/flowControl.ts'
import { seatsOf } from '../flowcontrol/workEstimate.ts'
import { RejectedError } from '../flowcontrol/priorityLevel.ts'
import type { FlowControlMetrics, FlowState } from '../metrics/flowControlMetrics.ts'
import type { UserInfo } from '../request.ts'
import type { Exchange } from './exchange.ts'
import { isLongRunning } from './requestInfo.ts'
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

export class RequestGate {
  readonly #options: RequestGateOptions

  constructor(options: RequestGateOptions) {
    this.#options = options
  }

  /** Throws, or rejects with, a RejectedError. Streams and proxied requests pass without seats. */
  enter(exchange: Exchange, user: UserInfo, info: RequestInfo, query: URLSearchParams): Pass | Promise<Pass> | undefined {
    const { flowControl, countObjects } = this.#options
    if (info.verb !== 'watch' && isLongRunning(info)) return undefined
    const flow = flowControl.flowOf(user, info)
    if (!flow) return undefined
    for (const [name, value] of Object.entries(flow.headers)) exchange.setHeader(name, value)
    if (flow.level.exempt && info.verb === 'watch') return undefined
    const seats = flow.level.exempt
      ? 1
      : flowControl.seatsFor(
          flow.level,
          seatsOf(info, query, () => countObjects(info.group, info.resource)),
        )
    const state = this.#options.metrics.flow(flow.level.name, flow.schema.metadata.name)
    state.estimatedSeats.observe(seats)
    try {
      const entered = flowControl.enter(flow, user, info, seats, (callback) => exchange.onGone(callback))
      if (entered instanceof Promise) return this.#waited(entered, state, seats)
      state.waited.observe(0)
      return this.#executing(entered, state, seats)
    } catch (error) {
      this.#refused(error, state)
      throw error
    }
  }

  async #waited(entered: Promise<Pass>, state: FlowState, seats: number): Promise<Pass> {
    const { clock } = this.#options
    const startMs = clock.now()
    const waitedSeconds = (): number => (clock.now() - startMs) / 1000
    state.waiting++
    state.waitingSeats += seats
    try {
      const pass = await entered
      state.waited.observe(waitedSeconds())
      return this.#executing(pass, state, seats)
    } catch (error) {
      state.waitedInVain.observe(waitedSeconds())
      this.#refused(error, state)
      throw error
    } finally {
      state.waiting--
      state.waitingSeats -= seats
    }
  }

  #executing(pass: Pass, state: FlowState, seats: number): Pass {
    const startMs = performance.now()
    let held = true
    state.dispatched.add()
    state.executing++
    state.executingSeats += seats
    return {
      release: () => {
        if (!held) return
        held = false
        state.executing--
        state.executingSeats -= seats
        state.executed.observe((performance.now() - startMs) / 1000)
        pass.release()
      },
    }
  }

  #refused(error: unknown, state: FlowState): void {
    if (error instanceof RejectedError) this.#options.metrics.rejected(state, error.reason)
  }
}
