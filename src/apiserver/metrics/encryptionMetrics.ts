/** Values that were encrypted for the store or read from it, under upstream's names. */
import type { Registry } from 'prom-client'
import { TalliedCounter, TalliedHistogram } from '../../client/metrics/tallies.ts'
import { rowsOnce } from './rows.ts'

/** From five microseconds on, each twice the one before. */
const BUCKETS_SECONDS = Array.from({ length: 25 }, (_, i) => 5e-6 * 2 ** i)

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
  readonly #operationsBy = rowsOnce((labels) => this.#operations.row(labels))
  readonly #durationsBy = rowsOnce((labels) => this.#durations.row(labels))

  register(registry: Registry): void {
    this.#operations.register(registry)
    this.#durations.register(registry)
  }

  transformed(resource: string, made: { direction: string; prefix: string; seconds: number; failed: boolean }): void {
    const { direction, prefix, seconds, failed } = made
    const how = { transformation_type: direction, transformer_prefix: prefix }
    this.#operationsBy({ resource, ...how, status: failed ? 'unknown-non-grpc' : 'OK' }).add()
    if (!failed) this.#durationsBy(how).observe(seconds)
  }
}
