/**
 * A way to the API server on which goes wrong what may go wrong on a real one: requests that fail before or after they took
 * effect, slow answers, watches that lag, break off or have to start over. Order and content stay what the server said.
 */
import { newConflict, newExpired, newInternalError, newServiceUnavailable, newStatusError } from '../../src/api/status.ts'
import type { FakeClock } from '../../src/base/clock.ts'
import type { ResourceRequest, Transport, WatchEvent, WatchRequest } from '../../src/client/client.ts'
import type { Random } from '../fuzz/random.ts'

/** Probabilities, for each request or event. */
export interface FaultRates {
  failBefore: number
  failAfter: number
  conflict: number
  slow: number
  /** An event that comes late, and all after it with it. */
  lag: number
  /** A watch whose revision is told to be gone. */
  expired: number
  refused: number
  /** How long a watch lasts at most; 0 for ever. */
  watchMs: number
}

export const NO_FAULTS: FaultRates = { failBefore: 0, failAfter: 0, conflict: 0, slow: 0, lag: 0, expired: 0, refused: 0, watchMs: 0 }
export const ONLY_LAG: FaultRates = { ...NO_FAULTS, slow: 0.1, lag: 0.2 }
export const MANY_FAULTS: FaultRates = {
  failBefore: 0.08,
  failAfter: 0.06,
  conflict: 0.05,
  slow: 0.2,
  lag: 0.15,
  expired: 0.3,
  refused: 0.2,
  watchMs: 15_000,
}

const SLOW_MAX_MS = 1_500
const LAG_MAX_MS = 2_500
const WRITES: ReadonlySet<string> = new Set(['create', 'update', 'patch', 'delete', 'deletecollection'])

export const isWrite = (request: ResourceRequest): boolean => WRITES.has(request.verb)

export interface FaultyTransportOptions {
  inner: Transport
  clock: FakeClock
  random: Random
  rates: () => FaultRates
  /** Aborts when the process that uses it is killed. */
  killed: AbortSignal
  /** Right before a write reaches the server, and right after it took effect. */
  onWrite?: (request: ResourceRequest) => void
  onWritten?: (request: ResourceRequest, answer: unknown) => void
}

export class FaultyTransport implements Transport {
  readonly #options: FaultyTransportOptions

  constructor(options: FaultyTransportOptions) {
    this.#options = options
  }

  async request(request: ResourceRequest): Promise<unknown> {
    const { inner, random, killed, onWrite, onWritten } = this.#options
    const rates = this.#options.rates()
    const writes = isWrite(request)
    await this.#maybeSlow(rates)
    if (random.chance(rates.failBefore)) throw this.#anyFailure()
    if (writes && (request.verb === 'update' || request.verb === 'patch') && random.chance(rates.conflict))
      throw newConflict(
        request.resource,
        request.name ?? '',
        'the object has been modified; please apply your changes to the latest version',
      )
    if (writes) onWrite?.(request)
    const answer = await inner.request(request)
    if (writes) onWritten?.(request, answer)
    killed.throwIfAborted()
    await this.#maybeSlow(rates)
    if (writes && random.chance(rates.failAfter))
      throw newStatusError(504, 'Timeout', 'Timeout: request did not complete within the allotted timeout')
    return answer
  }

  async *watch(request: WatchRequest): AsyncGenerator<WatchEvent> {
    const { inner, clock, random, killed } = this.#options
    const rates = this.#options.rates()
    if (random.chance(rates.refused)) throw newServiceUnavailable('the server is starting')
    if (random.chance(rates.expired)) throw newExpired(`too old resource version: ${request.resourceVersion}`)
    const cut = new AbortController()
    const cancel = rates.watchMs > 0 ? clock.after(1 + random.below(rates.watchMs), () => cut.abort()) : () => {}
    try {
      const signal = AbortSignal.any([request.signal, killed, cut.signal])
      for await (const event of inner.watch({ ...request, signal })) {
        if (random.chance(this.#options.rates().lag)) await clock.sleep(random.below(LAG_MAX_MS), killed)
        if (killed.aborted) return
        yield event
      }
      if (cut.signal.aborted && random.chance(0.5)) throw new Error('read ECONNRESET')
    } finally {
      cancel()
    }
  }

  async #maybeSlow({ slow }: FaultRates): Promise<void> {
    const { clock, random, killed } = this.#options
    killed.throwIfAborted()
    if (random.chance(slow)) await clock.sleep(random.below(SLOW_MAX_MS), killed)
  }

  #anyFailure(): Error {
    return this.#options.random.of([
      () => newInternalError('the store is busy'),
      () => newServiceUnavailable('the server is shutting down'),
      () => newStatusError(429, 'TooManyRequests', 'too many requests'),
      () => new Error('connect ECONNREFUSED'),
    ])()
  }
}
