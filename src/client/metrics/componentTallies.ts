/** A component's own metrics: each is under the component's prefix and in its registry from the start. */
import type { Registry } from 'prom-client'
import { TalliedCounter, TalliedGauge, TalliedHistogram } from './tallies.ts'

type Labels = Readonly<Record<string, string | number>>

export class ComponentTallies {
  readonly #registry: Registry
  readonly #prefix: string

  constructor(registry: Registry, prefix: string) {
    this.#registry = registry
    this.#prefix = prefix
  }

  counter(name: string, help: string): TalliedCounter {
    return this.#registered(new TalliedCounter({ name: `${this.#prefix}_${name}`, help }))
  }

  gauge(name: string, help: string): TalliedGauge {
    return this.#registered(new TalliedGauge({ name: `${this.#prefix}_${name}`, help }))
  }

  histogram(name: string, help: string, buckets: readonly number[]): TalliedHistogram {
    return this.#registered(new TalliedHistogram({ name: `${this.#prefix}_${name}`, help, buckets }))
  }

  #registered<Metric extends { register(registry: Registry): void }>(metric: Metric): Metric {
    metric.register(this.#registry)
    return metric
  }
}

/** Rows of a metric that come with the first of their labels, beside those that all rows share. */
export function rowsBy<Row>(metric: { row(labels: Labels): Row }, shared: Labels = {}): (labels: Labels) => Row {
  const rows = new Map<string, Row>()
  return (labels) => {
    const key = Object.values(labels).join(' ')
    let row = rows.get(key)
    if (!row) rows.set(key, (row = metric.row({ ...shared, ...labels })))
    return row
  }
}
