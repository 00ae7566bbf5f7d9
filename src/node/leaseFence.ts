/**
 * What a leader may still do is decided where it writes: a process that stood still for a while (stopped, swapped out, the
 * laptop asleep) wakes in the middle of its work, and may no longer be the leader by then.
 */
import type { ResourceRequest, Transport } from '../client/client.ts'

/** By two clocks: the wall's may be set, the other one may stand still while the machine sleeps. */
export interface Moment {
  wallMs: number
  steadyMs: number
}

/** For one's own rights the longer of the two counts, … */
export const longestMs = (since: Moment, now: Moment): number => Math.max(now.wallMs - since.wallMs, now.steadyMs - since.steadyMs)

/** … for those of others the shorter one. */
export const shortestMs = (since: Moment, now: Moment): number => Math.min(now.wallMs - since.wallMs, now.steadyMs - since.steadyMs)

export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError'
}

const isRead = ({ verb }: ResourceRequest): boolean => verb === 'get' || verb === 'list'

/** Open from a renewal of the lease on, for as long as that renewal counts. */
export class LeaseFence {
  readonly #now: () => Moment
  #renewed: { at: Moment; forMs: number } | undefined

  constructor(now: () => Moment) {
    this.#now = now
  }

  open(at: Moment, forMs: number): void {
    this.#renewed = { at, forMs }
  }

  close(): void {
    this.#renewed = undefined
  }

  get isOpen(): boolean {
    return this.#renewed !== undefined && longestMs(this.#renewed.at, this.#now()) <= this.#renewed.forMs
  }

  /** Lets writes through while the fence is open, and reads always. */
  guard(transport: Transport): Transport {
    return {
      ...(transport.discover && { discover: transport.discover.bind(transport) }),
      watch: (request) => transport.watch(request),
      request: (request) => {
        if (isRead(request) || this.isOpen) return transport.request(request)
        return Promise.reject(new LeaseLostError(`the lease is not held: no ${request.verb} of ${request.resource.resource}`))
      },
    }
  }
}
