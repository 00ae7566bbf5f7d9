/** process_*: what every component tells of its process. Components in one process tell the same. */
import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'

/** Read when somebody asks; prom-client's own set samples all the time, and idle has to mean idle. */
export function processMetrics(registry: Registry): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read())
        },
      }),
    )
  }
  gauge('process_resident_memory_bytes', 'Resident memory in bytes.', () => process.memoryUsage.rss())
  gauge('process_start_time_seconds', 'When the process started, in seconds since the epoch.', () =>
    Math.round(Date.now() / 1000 - process.uptime()),
  )
  gauge('process_cpu_seconds_total', 'User and system CPU time in seconds.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
}
