/** Who could show who they are, and for how long their certificates still hold: alerts look at these. */
import type { Registry } from 'prom-client'
import { TalliedCounter, TalliedHistogram } from '../../client/metrics/tallies.ts'
import type { Distribution, Tally } from '../../client/metrics/tallies.ts'

const HOUR_SECONDS = 3_600
const DAY_SECONDS = 24 * HOUR_SECONDS
const EXPIRATION_BUCKETS_SECONDS = [
  0,
  HOUR_SECONDS / 2,
  ...[1, 2, 6, 12].map((hours) => hours * HOUR_SECONDS),
  ...[1, 2, 4, 7, 30, 90, 180, 365].map((days) => days * DAY_SECONDS),
]

export class AuthenticationMetrics {
  readonly #expirations = new TalliedHistogram({
    name: 'apiserver_client_certificate_expiration_seconds',
    help: 'How long the certificates of requests still hold.',
    buckets: EXPIRATION_BUCKETS_SECONDS,
  })
  readonly #attempts = new TalliedCounter({ name: 'authentication_attempts', help: 'Requests, by whether it is known who sent them.' })
  readonly #expiration: Distribution = this.#expirations.row({})
  readonly #byResult: Readonly<Record<'success' | 'failure', Tally>> = {
    success: this.#attempts.row({ result: 'success' }),
    failure: this.#attempts.row({ result: 'failure' }),
  }

  register(registry: Registry): void {
    this.#expirations.register(registry)
    this.#attempts.register(registry)
  }

  attempted(result: 'success' | 'failure'): void {
    this.#byResult[result].add()
  }

  certificateShown(remainingSeconds: number): void {
    this.#expiration.observe(remainingSeconds)
  }
}
