/** process_*: what every component tells of its process. Components in one process tell the same. */
import { readFileSync, readdirSync } from 'node:fs'
import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'

const LINUX = process.platform === 'linux'

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
  registry.registerMetric(
    new Counter({
      name: 'process_cpu_seconds_total',
      help: 'User and system CPU time in seconds.',
      registers: [],
      collect() {
        const { user, system } = process.cpuUsage()
        this.reset()
        this.inc((user + system) / 1e6)
      },
    }),
  )
  if (!LINUX) return
  gauge('process_open_fds', 'Open file descriptors.', () => readdirSync('/proc/self/fd').length)
  gauge('process_max_fds', 'How many file descriptors may be open.', () =>
    Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Infinity),
  )
  gauge(
    'process_virtual_memory_bytes',
    'Virtual memory in bytes.',
    () => 1024 * Number(/^VmSize:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0),
  )
}
