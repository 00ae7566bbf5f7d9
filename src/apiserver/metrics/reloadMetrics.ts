/** Configuration files that were read again while the server ran: under upstream's names. */
import type { Registry } from 'prom-client'
import { TalliedCounter, TalliedGauge } from '../../client/metrics/tallies.ts'
import { hashed, rowsOnce } from './rows.ts'

export class ReloadMetrics {
  readonly #reloads: TalliedCounter
  readonly #times: TalliedGauge
  readonly #server: string
  readonly #reloadsBy = rowsOnce((labels) => this.#reloads.row(labels))
  readonly #timesBy = rowsOnce((labels) => this.#times.row(labels))

  /** `subject` is `encryption`, `authentication` or `authorization`; `identity` the server's. */
  constructor(subject: 'encryption' | 'authentication' | 'authorization', identity: string) {
    const prefix = `apiserver_${subject}_config_controller_automatic_reload`
    this.#server = hashed(identity)
    this.#reloads = new TalliedCounter({ name: `${prefix}s_total`, help: `How often the file of ${subject} was read again, by outcome.` })
    this.#times = new TalliedGauge({
      name: `${prefix}_last_timestamp_seconds`,
      help: `When the file of ${subject} was last read again, by outcome.`,
    })
  }

  register(registry: Registry): void {
    this.#reloads.register(registry)
    this.#times.register(registry)
  }

  reloaded(status: 'success' | 'failure', atMs: number): void {
    const labels = { status, apiserver_id_hash: this.#server }
    this.#reloadsBy(labels).add()
    this.#timesBy(labels).set(atMs / 1000)
  }
}
