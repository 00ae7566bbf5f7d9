/** rest_client_*: what a component asks of API servers, in client-go's terms. */
import type { Registry } from 'prom-client'
import { StatusError } from '../../api/status.ts'
import type { ResourceRequest, Transport } from '../client.ts'
import { METHODS } from '../paths.ts'
import { TalliedCounter, TalliedHistogram } from './tallies.ts'
import type { Distribution, Tally } from './tallies.ts'

const BUCKETS_SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60]

export class RequestMetrics {
  readonly #requests = new TalliedCounter({
    name: 'rest_client_requests_total',
    help: 'Requests, by what became of them, method and host.',
  })
  readonly #duration = new TalliedHistogram({
    name: 'rest_client_request_duration_seconds',
    help: 'How long requests took, by method and host.',
    buckets: BUCKETS_SECONDS,
  })
  readonly #rows = new Map<string, { duration: Distribution; byCode: Map<string, Tally> }>()
  readonly #host: string

  /** `host` is what the requests go to. */
  constructor(host: string) {
    this.#host = host
  }

  register(registry: Registry): void {
    this.#requests.register(registry)
    this.#duration.register(registry)
  }

  finished(method: string, code: string, seconds: number): void {
    let row = this.#rows.get(method)
    if (!row) {
      row = { duration: this.#duration.row({ verb: method, host: this.#host }), byCode: new Map() }
      this.#rows.set(method, row)
    }
    row.duration.observe(seconds)
    let tally = row.byCode.get(code)
    if (!tally) row.byCode.set(code, (tally = this.#requests.row({ code, method, host: this.#host })))
    tally.add()
  }

  /** The same transport, its requests counted. A watch counts when it begins. */
  counted(transport: Transport): Transport {
    return {
      request: (request) => this.timed(request.verb, () => transport.request(request)),
      watch: (request) => {
        this.finished('GET', '200', 0)
        return transport.watch(request)
      },
      ...(transport.discover && {
        discover: (...of) => this.timed('get', () => transport.discover?.(...of) ?? Promise.resolve([])),
      }),
    }
  }

  async timed<T>(verb: ResourceRequest['verb'] | 'watch', send: () => Promise<T>): Promise<T> {
    const method = verb === 'watch' ? 'GET' : METHODS[verb]
    const startMs = performance.now()
    let code = verb === 'create' ? '201' : '200'
    try {
      return await send()
    } catch (error) {
      code = error instanceof StatusError ? String(error.code) : '<error>'
      throw error
    } finally {
      this.finished(method, code, (performance.now() - startMs) / 1000)
    }
  }
}
