/** Metrics of the parts of the server that keep count themselves: read when somebody asks. */
import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import type { Audit } from '../audit/audit.ts'
import type { TalliedCounter } from '../../client/metrics/tallies.ts'

/** Alerts on aggregated APIs look at these. */
export function aggregationMetrics(
  registry: Registry,
  aggregation: { availability(): Iterable<{ name: string; available: boolean }>; readonly faults: TalliedCounter },
): void {
  aggregation.faults.register(registry)
  registry.registerMetric(
    new Gauge({
      name: 'aggregator_unavailable_apiservice',
      help: 'APIServices that lead to a server that cannot be asked: 1 of one that cannot, 0 of one that can.',
      registers: [],
      labelNames: ['name'],
      collect() {
        this.reset()
        for (const { name, available } of aggregation.availability()) this.set({ name }, available ? 0 : 1)
      },
    }),
  )
}

/** Which version runs here: alerts compare it between components. */
export function buildMetrics(registry: Registry, version: Readonly<Record<string, string>>): void {
  const { major, minor, gitVersion, gitCommit, gitTreeState, buildDate, goVersion, compiler, platform } = version
  const labels = {
    ...{ major, minor, git_version: gitVersion, git_commit: gitCommit, git_tree_state: gitTreeState },
    ...{ build_date: buildDate, go_version: goVersion, compiler, platform },
  }
  const info = new Gauge({
    name: 'kubernetes_build_info',
    help: 'Always 1, with the version that runs here.',
    labelNames: Object.keys(labels),
    registers: [],
  })
  info.set(labels as Record<string, string>, 1)
  registry.registerMetric(info)
}

export function auditMetrics(registry: Registry, audit: Pick<Audit, 'events' | 'levels' | 'sinks'>): void {
  registry.registerMetric(
    new Counter({
      name: 'apiserver_audit_level_total',
      help: 'Requests by how much the policy wants to know of them.',
      labelNames: ['level'],
      registers: [],
      collect() {
        this.reset()
        for (const [level, count] of audit.levels) this.inc({ level }, count)
      },
    }),
  )
  registry.registerMetric(
    new Counter({
      name: 'apiserver_audit_event_total',
      help: 'Audit events that came about.',
      registers: [],
      collect() {
        this.reset()
        this.inc(audit.events)
      },
    }),
  )
  registry.registerMetric(
    new Counter({
      name: 'apiserver_audit_error_total',
      help: 'Audit events that a backend has lost.',
      labelNames: ['plugin'],
      registers: [],
      collect() {
        this.reset()
        for (const { plugin, lost } of audit.sinks) if (lost > 0) this.inc({ plugin }, lost)
      },
    }),
  )
}
