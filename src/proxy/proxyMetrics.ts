/** kubeproxy_*: what kube-proxy in nftables mode tells of its work, under upstream's names, so that dashboards made for it show something. */
import type { Clock } from '../base/clock.ts'
import type { IpFamily } from '../base/ipFamily.ts'
import { ComponentMetrics } from '../client/metrics/componentMetrics.ts'
import { ComponentTallies } from '../client/metrics/componentTallies.ts'
import type { Distribution, Level, TalliedGauge, TalliedHistogram, Tally } from '../client/metrics/tallies.ts'

const SYNC_BUCKETS_SECONDS = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i)
const steps = (first: number, step: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i * step)
const PROGRAMMING_BUCKETS_SECONDS = [...steps(0.25, 0.25, 2), ...steps(1, 1, 59), ...steps(60, 5, 12), ...steps(120, 30, 7)]
const HEALTH_CODES = [200, 503] as const

/** What is told of each IP family. */
class FamilyMetrics {
  readonly synced: Distribution
  readonly syncedFully: Distribution
  readonly syncedPartly: Distribution
  readonly lastQueued: Level
  readonly lastSynced: Level
  readonly failures: Tally
  readonly programmed: Distribution
  readonly flowsReviewed: Distribution
  readonly flowsDeleted: Tally

  constructor({ name }: IpFamily, of: ReturnType<typeof familyMetrics>) {
    const labels = { ip_family: name }
    this.synced = of.synced.row(labels)
    this.syncedFully = of.syncedFully.row(labels)
    this.syncedPartly = of.syncedPartly.row(labels)
    this.lastQueued = of.lastQueued.row(labels)
    this.lastSynced = of.lastSynced.row(labels)
    this.failures = of.failures.row(labels)
    this.programmed = of.programmed.row(labels)
    this.flowsReviewed = of.flowsReviewed.row(labels)
    this.flowsDeleted = of.flowsDeleted.row(labels)
    // Whatever is no longer wanted goes in the transaction that brings the new: there is nothing to clean up that could fail.
    of.cleanUpFailures.row(labels)
  }
}

function familyMetrics(tallies: ComponentTallies) {
  const timed = (name: string, help: string): TalliedHistogram => tallies.histogram(name, help, SYNC_BUCKETS_SECONDS)
  const rules = 'sync_proxy_rules'
  return {
    synced: timed('sync_proxy_rules_duration_seconds', 'How long it took to apply changed rules.'),
    syncedFully: timed('sync_full_proxy_rules_duration_seconds', 'How long it took to apply all rules anew.'),
    syncedPartly: timed('sync_partial_proxy_rules_duration_seconds', 'How long it took to apply what had changed.'),
    lastQueued: tallies.gauge(`${rules}_last_queued_timestamp_seconds`, 'When changes last began to wait.'),
    lastSynced: tallies.gauge(`${rules}_last_timestamp_seconds`, 'When rules were last applied.'),
    failures: tallies.counter(`${rules}_nftables_sync_failures_total`, 'Rules that nftables did not take.'),
    cleanUpFailures: tallies.counter(`${rules}_nftables_cleanup_failures_total`, 'Chains that could not be removed.'),
    programmed: tallies.histogram(
      'network_programming_duration_seconds',
      'How long it took from the change of a service or pod until the rules followed.',
      PROGRAMMING_BUCKETS_SECONDS,
    ),
    flowsReviewed: timed('conntrack_reconciler_sync_duration_seconds', 'How long it took to have connection tracking forget stale flows.'),
    flowsDeleted: tallies.counter('conntrack_reconciler_deleted_entries_total', 'Flows that connection tracking was made to forget.'),
  }
}

/** What a change is of. */
export type Changed = 'service' | 'endpoint'

export class ProxyMetrics {
  readonly component: ComponentMetrics
  readonly #clock: Pick<Clock, 'now'>
  readonly #families: readonly FamilyMetrics[]
  readonly #withoutLocal: TalliedGauge
  readonly #changes: Readonly<Record<Changed, { total: Tally; pending: number }>>
  readonly #health: Readonly<Record<string, Map<number, Tally>>>
  /** When what waits to be applied was triggered, as its EndpointSlice says. */
  #triggeredMs: number[] = []
  #isFirst = true

  constructor(nodeName: string, families: readonly IpFamily[], clock: Pick<Clock, 'now'>) {
    this.component = new ComponentMetrics(nodeName)
    this.#clock = clock
    const tallies = new ComponentTallies(this.component.registry, 'kubeproxy')
    const of = familyMetrics(tallies)
    this.#families = families.map((family) => new FamilyMetrics(family, of))
    this.#withoutLocal = tallies.gauge(
      'sync_proxy_rules_no_local_endpoints_total',
      'Ports of services with a Local traffic policy that have endpoints elsewhere alone.',
    )
    const changesOf = (what: Changed): { total: Tally; pending: number } => {
      const name = `sync_proxy_rules_${what}_changes`
      const total = tallies.counter(`${name}_total`, `Changes of a ${what} that were seen.`).row({})
      const row = { total, pending: 0 }
      const pending = tallies.gauge(`${name}_pending`, `Changes of a ${what} that are not applied yet.`)
      pending.row({}).readBy(() => row.pending)
      return row
    }
    this.#changes = { service: changesOf('service'), endpoint: changesOf('endpoint') }
    const answersOf = (path: string): Map<number, Tally> => {
      const answers = tallies.counter(`proxy_${path}_total`, `Answers of /${path}, by their status.`)
      return new Map(HEALTH_CODES.map((code) => [code, answers.row({ code })]))
    }
    this.#health = { healthz: answersOf('healthz'), livez: answersOf('livez') }
  }

  /** Ports without an endpoint on this node, by what their policy is for. */
  countWithoutLocal({ name }: IpFamily, count: (traffic: 'internal' | 'external') => number): void {
    for (const traffic of ['internal', 'external'] as const)
      this.#withoutLocal.row({ traffic_policy: traffic, ip_family: name }).readBy(() => count(traffic))
  }

  changed(what: Changed, triggeredMs?: number): void {
    const row = this.#changes[what]
    row.total.add()
    row.pending++
    if (triggeredMs !== undefined) this.#triggeredMs.push(triggeredMs)
    for (const { lastQueued } of this.#families) lastQueued.set(this.#clock.now() / 1000)
  }

  /** All that has changed so far is being applied; what is answered is to be called when it is, or with a failure when it could not be. */
  applying(): (failure?: unknown) => void {
    const startedMs = this.#clock.now()
    const triggeredMs = this.#triggeredMs.splice(0)
    const isFull = this.#isFirst
    for (const row of Object.values(this.#changes)) row.pending = 0
    return (failure) => {
      this.#isFirst = failure !== undefined
      const nowMs = this.#clock.now()
      for (const family of this.#families) {
        if (failure !== undefined) {
          family.failures.add()
          continue
        }
        const seconds = (nowMs - startedMs) / 1000
        family.synced.observe(seconds)
        ;(isFull ? family.syncedFully : family.syncedPartly).observe(seconds)
        family.lastSynced.set(nowMs / 1000)
        for (const sinceMs of triggeredMs) family.programmed.observe(Math.max(0, nowMs - sinceMs) / 1000)
      }
    }
  }

  flowsDeleted(index: number, count: number, sinceMs: number): void {
    this.#families[index]?.flowsDeleted.add(count)
    this.#families[index]?.flowsReviewed.observe((this.#clock.now() - sinceMs) / 1000)
  }

  answered(path: 'healthz' | 'livez', status: number): void {
    this.#health[path]?.get(status)?.add()
  }
}
