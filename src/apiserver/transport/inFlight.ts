/** How many requests may be served at once: upstream's --max-requests-inflight and --max-mutating-requests-inflight. */
import { newTooManyRequests } from '../../api/status.ts'
import type { Metrics } from '../metrics/metrics.ts'

const MAX_READ_ONLY = 400
const MAX_MUTATING = 200
const RETRY_AFTER_SECONDS = 1
const MUTATING = new Set(['create', 'update', 'patch', 'delete', 'deletecollection', 'post', 'put'])

export type RequestKind = 'mutating' | 'readOnly'

export class InFlight {
  readonly #metrics: Metrics
  readonly #count: Record<RequestKind, number> = { mutating: 0, readOnly: 0 }

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  kindOf(verb: string): RequestKind {
    return MUTATING.has(verb) ? 'mutating' : 'readOnly'
  }

  /** Throws 429 where the server is full. Whoever entered leaves. */
  enter(kind: RequestKind): void {
    if (this.#count[kind] >= (kind === 'mutating' ? MAX_MUTATING : MAX_READ_ONLY)) {
      throw newTooManyRequests('Too many requests, please try again later.', RETRY_AFTER_SECONDS)
    }
    this.#metrics.inFlight(kind, ++this.#count[kind])
  }

  leave(kind: RequestKind): void {
    this.#metrics.inFlight(kind, --this.#count[kind])
  }
}
