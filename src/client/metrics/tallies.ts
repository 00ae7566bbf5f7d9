/**
 * Histograms and counters for what happens with every request: whoever counts keeps the row of its labels, where prom-client
 * would check and hash them each time. The text is still prom-client's.
 */
import type { Histogram, Registry } from 'prom-client'

type Labels = Readonly<Record<string, string | number>>

interface Value {
  metricName: string
  labels: Labels
  value: number
}

/** One row of a histogram. */
export class Distribution {
  readonly #bounds: readonly number[]
  /** How many values fell between a bound and the one before it. */
  readonly #counts: number[]
  #count = 0
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = bounds.map(() => 0)
  }

  observe(value: number): void {
    this.#count++
    this.#sum += value
    for (let i = 0; i < this.#bounds.length; i++) {
      if (value > (this.#bounds[i] as number)) continue
      this.#counts[i] = (this.#counts[i] as number) + 1
      return
    }
  }

  *values(name: string, labels: Labels): Iterable<Value> {
    let below = 0
    for (const [i, bound] of this.#bounds.entries()) {
      below += this.#counts[i] as number
      yield { metricName: `${name}_bucket`, labels: { le: bound, ...labels }, value: below }
    }
    yield { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: this.#count }
    yield { metricName: `${name}_sum`, labels, value: this.#sum }
    yield { metricName: `${name}_count`, labels, value: this.#count }
  }
}

/** One row of a counter. */
export class Tally {
  #count = 0

  add(count = 1): void {
    this.#count += count
  }

  *values(name: string, labels: Labels): Iterable<Value> {
    yield { metricName: name, labels, value: this.#count }
  }
}

/** One row of a gauge: set as things go, or read when somebody asks. */
export class Level {
  #read: () => number = () => 0

  set(value: number): void {
    this.#read = () => value
  }

  readBy(read: () => number): void {
    this.#read = read
  }

  *values(name: string, labels: Labels): Iterable<Value> {
    yield { metricName: name, labels, value: this.#read() }
  }
}

interface Description {
  name: string
  help: string
}

abstract class Rows<Row extends { values(name: string, labels: Labels): Iterable<Value> }> {
  readonly name: string
  readonly #help: string
  readonly #type: string
  readonly #rows: { labels: Labels; row: Row }[] = []

  constructor(type: string, { name, help }: Description) {
    this.name = name
    this.#help = help
    this.#type = type
  }

  /** A new row: to be asked for once for the same labels. */
  protected added(labels: Labels, row: Row): Row {
    this.#rows.push({ labels, row })
    return row
  }

  /** What prom-client's registry asks of a metric. */
  async get(): Promise<object> {
    const values = this.#rows.flatMap(({ labels, row }) => [...row.values(this.name, labels)])
    return { name: this.name, help: this.#help, type: this.#type, aggregator: 'sum', values }
  }

  register(registry: Registry): void {
    registry.registerMetric(this as unknown as Histogram)
  }
}

export class TalliedHistogram extends Rows<Distribution> {
  readonly #bounds: readonly number[]

  constructor({ buckets, ...description }: Description & { buckets: readonly number[] }) {
    super('histogram', description)
    this.#bounds = buckets
  }

  row(labels: Labels): Distribution {
    return this.added(labels, new Distribution(this.#bounds))
  }
}

export class TalliedCounter extends Rows<Tally> {
  constructor(description: Description) {
    super('counter', description)
  }

  row(labels: Labels): Tally {
    return this.added(labels, new Tally())
  }
}

export class TalliedGauge extends Rows<Level> {
  constructor(description: Description) {
    super('gauge', description)
  }

  row(labels: Labels): Level {
    return this.added(labels, new Level())
  }
}
