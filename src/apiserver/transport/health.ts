/** Named health checks behind /healthz, /livez and /readyz, in upstream's words. */
import { inTime } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'

export type HealthKind = 'healthz' | 'livez' | 'readyz'

export interface HealthCheck {
  name: string
  /** Where it counts; a server that still starts is alive but not ready. */
  kinds: readonly HealthKind[]
  /** Throws what is wrong; that is logged, not told. */
  check(): void | Promise<void>
}

export const ALL_KINDS: readonly HealthKind[] = ['healthz', 'livez', 'readyz']

/** Upstream's --etcd-healthcheck-timeout. */
const STORE_TIMEOUT_MS = 2_000

/** Whoever asks for the server's health does not wait as long as a request may for a store that is silent. */
export function askInTime(ask: () => Promise<unknown>, clock: Clock): () => Promise<unknown> {
  const late = (): Error => new Error(`the store did not answer within ${STORE_TIMEOUT_MS / 1000} s`)
  return () => inTime(ask(), { clock, timeoutMs: STORE_TIMEOUT_MS, late })
}

/** How a check came out when it was last asked for, and how often which way. */
interface Outcomes {
  name: string
  kind: HealthKind
  passes: boolean
  success: number
  error: number
}

export class HealthChecks {
  readonly #checks: HealthCheck[] = []
  readonly #outcomes = new Map<string, Outcomes>()
  readonly #onFailure: (name: string, error: unknown) => void

  constructor(onFailure: (name: string, error: unknown) => void) {
    this.#onFailure = onFailure
    this.add({ name: 'ping', kinds: ALL_KINDS, check: () => {} })
  }

  add(check: HealthCheck): void {
    this.#checks.push(check)
  }

  names(kind: HealthKind): string[] {
    return this.#checks.filter((c) => c.kinds.includes(kind)).map((c) => c.name)
  }

  async report(kind: HealthKind, options: { verbose: boolean; exclude: readonly string[] }): Promise<{ ok: boolean; text: string }> {
    const { verbose, exclude } = options
    const lines: string[] = []
    const unmatched = new Set(exclude)
    let ok = true
    for (const { name, kinds, check } of this.#checks) {
      if (!kinds.includes(kind)) continue
      if (unmatched.delete(name) || exclude.includes(name)) {
        lines.push(`[+]${name} excluded: ok`)
        continue
      }
      try {
        await check()
        this.#note(name, kind, true)
        lines.push(`[+]${name} ok`)
      } catch (error) {
        ok = false
        this.#note(name, kind, false)
        this.#onFailure(name, error)
        lines.push(`[-]${name} failed: reason withheld`)
      }
    }
    if (unmatched.size > 0) {
      const names = [...unmatched].map((name) => JSON.stringify(name)).join(',')
      lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`)
    }
    if (!ok) return { ok, text: `${lines.join('\n')}\n${kind} check failed\n` }
    return { ok, text: verbose ? `${lines.join('\n')}\n${kind} check passed\n` : 'ok' }
  }

  /** A check by itself, of which the failure is told. Undefined where there is none of this name. */
  async reportOne(kind: HealthKind, name: string): Promise<{ ok: boolean; text: string } | undefined> {
    const found = this.#checks.find((check) => check.name === name && check.kinds.includes(kind))
    if (!found) return undefined
    try {
      await found.check()
      return { ok: true, text: 'ok' }
    } catch (error) {
      return { ok: false, text: `internal server error: ${error instanceof Error ? error.message : String(error)}\n` }
    }
  }

  /** Throws the first failure of the checks that `readyz` counts. */
  async ready(): Promise<void> {
    for (const { kinds, check } of this.#checks) if (kinds.includes('readyz')) await check()
  }

  #note(name: string, kind: HealthKind, passes: boolean): void {
    const key = `${name} ${kind}`
    let outcomes = this.#outcomes.get(key)
    if (!outcomes) this.#outcomes.set(key, (outcomes = { name, kind, passes, success: 0, error: 0 }))
    outcomes.passes = passes
    outcomes[passes ? 'success' : 'error']++
  }

  /** How the checks came out that somebody has asked for, for /metrics/slis; where nobody has, it asks itself. */
  async slis(): Promise<string> {
    if (this.#outcomes.size === 0) await this.report('readyz', { verbose: false, exclude: [] })
    return this.#sliText()
  }

  #sliText(): string {
    const all = [...this.#outcomes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, outcomes]) => outcomes)
    const gauges = all.map(({ name, kind, passes }) => `kubernetes_healthcheck{name="${name}",type="${kind}"} ${passes ? 1 : 0}`)
    const counters = all.flatMap(({ name, kind, ...counts }) =>
      (['error', 'success'] as const)
        .filter((status) => counts[status] > 0)
        .map((status) => `kubernetes_healthchecks_total{name="${name}",status="${status}",type="${kind}"} ${counts[status]}`),
    )
    if (all.length === 0) return ''
    return [
      '# HELP kubernetes_healthcheck [STABLE] How a health check came out when it was last asked for.',
      '# TYPE kubernetes_healthcheck gauge',
      ...gauges,
      '# HELP kubernetes_healthchecks_total [STABLE] How often a health check came out which way.',
      '# TYPE kubernetes_healthchecks_total counter',
      ...counters,
      '',
    ].join('\n')
  }
}
