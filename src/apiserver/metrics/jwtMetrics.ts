/** How long tokens of configured issuers took, under upstream's name. */
import type { Registry } from 'prom-client'
import { TalliedHistogram } from '../../client/metrics/tallies.ts'
import { hashed, rowsOnce } from './rows.ts'

const BUCKETS_SECONDS = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i)

export class JwtMetrics {
  readonly #latencies = new TalliedHistogram({
    name: 'apiserver_authentication_jwt_authenticator_latency_seconds',
    help: 'How long it took to tell whose a token is, by its issuer.',
    buckets: BUCKETS_SECONDS,
  })
  readonly #latencyBy = rowsOnce((labels) => this.#latencies.row(labels))

  register(registry: Registry): void {
    this.#latencies.register(registry)
  }

  authenticated(issuer: string, result: 'success' | 'failure', seconds: number): void {
    this.#latencyBy({ result, jwt_issuer_hash: hashed(issuer) }).observe(seconds)
  }
}
