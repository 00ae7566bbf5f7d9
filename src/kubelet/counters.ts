/** What the kubelet counts while it runs, by upstream's names: starts, ends and evictions. */
import type { Metric } from './server/exposition.ts'

const COUNTERS = {
  evictions: 'Cumulative number of pod evictions by eviction signal',
  run_podsandbox_errors_total: 'Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler.',
  started_containers_errors_total: 'Cumulative number of errors when starting containers',
  started_containers_total: 'Cumulative number of containers started',
  started_pods_errors_total: 'Cumulative number of errors when starting pods',
  started_pods_total: 'Cumulative number of pods started',
  terminated_containers_total: 'Cumulative number of container terminations.',
} as const

export type CounterName = keyof typeof COUNTERS
type Labels = Readonly<Record<string, string>>

export class KubeletCounters {
  readonly #samples = new Map<CounterName, Map<string, { labels: Labels; value: number }>>()

  count(name: CounterName, labels: Labels = {}): void {
    let samples = this.#samples.get(name)
    if (!samples) this.#samples.set(name, (samples = new Map()))
    const key = JSON.stringify(labels)
    const sample = samples.get(key)
    if (sample) sample.value++
    else samples.set(key, { labels, value: 1 })
  }

  metrics(): Metric[] {
    return (Object.keys(COUNTERS) as CounterName[]).map((name) => {
      const samples = [...(this.#samples.get(name)?.values() ?? [])].map((sample) => ({ ...sample }))
      // One without labels is there from the beginning.
      const zero = name === 'started_pods_total' || name === 'started_pods_errors_total' ? [{ value: 0 }] : []
      return { name: `kubelet_${name}`, type: 'counter', help: `[ALPHA] ${COUNTERS[name]}`, samples: samples.length > 0 ? samples : zero }
    })
  }
}
