/** Values that were encrypted for the store or read from it, and files of keys that were read again: under upstream's names. */
import { createHash } from 'node:crypto'
import type { Registry } from 'prom-client'
import { TalliedCounter, TalliedGauge, TalliedHistogram } from '../../client/metrics/tallies.ts'

/** From five microseconds on, each twice the one before. */
const BUCKETS_SECONDS = Array.from({ length: 25 }, (_, i) => 5e-6 * 2 ** i)

type Labels = Readonly<Record<string, string>>

/** The same row for the same labels. */
function rowsOnce<Row>(make: (labels: Labels) => Row): (labels: Labels) => Row {
  const rows = new Map<string, Row>()
  return (labels) => {
    const key = Object.values(labels).join('\0')
    let row = rows.get(key)
    if (!row) rows.set(key, (row = make(labels)))
    return row
  }
}

export class EncryptionMetrics {
  readonly #operations = new TalliedCounter({
    name: 'apiserver_storage_transformation_operations_total',
    help: 'Values that were encrypted for the store or read from it.',
  })
  readonly #durations = new TalliedHistogram({
    name: 'apiserver_storage_transformation_duration_seconds',
    help: 'How long it took.',
    buckets: BUCKETS_SECONDS,
  })
  readonly #reloads = new TalliedCounter({
    name: 'apiserver_encryption_config_controller_automatic_reloads_total',
    help: 'How often the file of keys was read again, by outcome.',
  })
  readonly #reloadTimes = new TalliedGauge({
    name: 'apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds',
    help: 'When the file of keys was last read again, by outcome.',
  })
  readonly #serverHash: string
  readonly #operationsBy = rowsOnce((labels) => this.#operations.row(labels))
  readonly #durationsBy = rowsOnce((labels) => this.#durations.row(labels))
  readonly #reloadsBy = rowsOnce((labels) => this.#reloads.row(labels))
  readonly #reloadTimesBy = rowsOnce((labels) => this.#reloadTimes.row(labels))

  /** `identity` is the server's. */
  constructor(identity: string) {
    this.#serverHash = `sha256:${createHash('sha256').update(identity).digest('hex')}`
  }

  register(registry: Registry): void {
    for (const metric of [this.#operations, this.#durations, this.#reloads, this.#reloadTimes]) metric.register(registry)
  }

  transformed(resource: string, made: { direction: string; prefix: string; seconds: number; failed: boolean }): void {
    const { direction, prefix, seconds, failed } = made
    const how = { transformation_type: direction, transformer_prefix: prefix }
    this.#operationsBy({ resource, ...how, status: failed ? 'unknown-non-grpc' : 'OK' }).add()
    if (!failed) this.#durationsBy(how).observe(seconds)
  }

  reloaded(status: 'success' | 'failure', atMs: number): void {
    const labels = { status, apiserver_id_hash: this.#serverHash }
    this.#reloadsBy(labels).add()
    this.#reloadTimesBy(labels).set(atMs / 1000)
  }
}
