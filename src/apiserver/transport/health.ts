/** Named health checks behind /healthz, /livez and /readyz, in upstream's words. */

export type HealthKind = 'healthz' | 'livez' | 'readyz'

export interface HealthCheck {
  name: string
  /** Where it counts; a server that still starts is alive but not ready. */
  kinds: readonly HealthKind[]
  /** Throws what is wrong; that is logged, not told. */
  check(): void | Promise<void>
}

export const ALL_KINDS: readonly HealthKind[] = ['healthz', 'livez', 'readyz']

export class HealthChecks {
  readonly #checks: HealthCheck[] = []
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

  async report(
    kind: HealthKind,
    options: { verbose: boolean; exclude: readonly string[]; only?: string },
  ): Promise<{ ok: boolean; text: string }> {
    const { verbose, exclude, only } = options
    const lines: string[] = []
    const unmatched = new Set(exclude.filter((name) => name !== ''))
    let ok = true
    for (const { name, kinds, check } of this.#checks) {
      if (!kinds.includes(kind) || (only && name !== only)) continue
      if (unmatched.delete(name) || exclude.includes(name)) {
        lines.push(`[+]${name} excluded: ok`)
        continue
      }
      try {
        await check()
        lines.push(`[+]${name} ok`)
      } catch (error) {
        ok = false
        this.#onFailure(name, error)
        lines.push(`[-]${name} failed: reason withheld`)
      }
    }
    if (unmatched.size > 0) {
      const names = [...unmatched].map((name) => JSON.stringify(name)).join(', ')
      lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`)
    }
    if (!ok) return { ok, text: `${lines.join('\n')}\n${kind} check failed\n` }
    return { ok, text: verbose ? `${lines.join('\n')}\n${kind} check passed\n` : 'ok' }
  }

  /** Throws the first failure of the checks that `readyz` counts. */
  async ready(): Promise<void> {
    for (const { kinds, check } of this.#checks) if (kinds.includes('readyz')) await check()
  }

  /** Every check as a gauge, for /metrics/slis. */
  sliText(): string {
    const head = '# HELP kubernetes_healthcheck Whether a health check passes.\n# TYPE kubernetes_healthcheck gauge\n'
    const rows = this.#checks.flatMap(({ name, kinds }) => kinds.map((kind) => `kubernetes_healthcheck{name="${name}",type="${kind}"} 1\n`))
    return head + rows.join('')
  }
}
