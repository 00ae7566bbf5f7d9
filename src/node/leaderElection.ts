/**
 * Runs a component in one of several processes at a time (client-go's tools/leaderelection): who holds the Lease runs it and
 * renews the Lease; the others watch it stand still for its duration, by their own clocks, before one of them takes it over.
 */
import { isAbort } from '../base/abort.ts'
import type { Component, ComponentContext } from '../base/component.ts'
import type { Client } from '../client/client.ts'
import { leases, type Lease, type LeaseSpec } from '../api/kinds/coordination/v1.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../api/status.ts'

interface LeaseTiming {
  leaseDurationMs: number
  renewDeadlineMs: number
  retryPeriodMs: number
}

/** Upstream's defaults. */
const DEFAULT_TIMING: LeaseTiming = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 }

export interface LeaderElectionOptions {
  client: Client
  lease: { namespace: string; name: string }
  /** Differs between processes. */
  identity: string
  timing?: LeaseTiming
}

/** The Lease's wire format of time has microseconds. */
const microTime = (epochMs: number): string => new Date(epochMs).toISOString().replace('Z', '000Z')

class Candidate {
  readonly #options: LeaderElectionOptions
  readonly #context: ComponentContext
  /** The holder's last sign of life, and when it was seen here. */
  #seen: { renewTime: string | undefined; holder: string | undefined; atMs: number } | undefined

  constructor(options: LeaderElectionOptions, context: ComponentContext) {
    this.#options = options
    this.#context = context
  }

  /** One try to take or to keep the Lease. */
  async hold(signal: AbortSignal): Promise<boolean> {
    const { client, lease, identity, timing = DEFAULT_TIMING } = this.#options
    const nowMs = this.#context.clock.now()
    const leaseDurationSeconds = Math.trunc(timing.leaseDurationMs / 1000)
    const spec: LeaseSpec = { holderIdentity: identity, leaseDurationSeconds, renewTime: microTime(nowMs) }
    try {
      const current = await client.get(leases, { ...lease, signal })
      if (!this.#mayTake(current, nowMs)) return false
      const { holderIdentity: before, leaseTransitions: transitions = 0, acquireTime } = current.spec
      const kept = before === identity
      await client.update(
        leases,
        {
          ...current,
          spec: {
            ...current.spec,
            ...spec,
            acquireTime: kept ? (acquireTime ?? microTime(nowMs)) : microTime(nowMs),
            leaseTransitions: kept ? transitions : transitions + 1,
          },
        },
        { signal },
      )
      return true
    } catch (error) {
      if (isConflict(error)) return false
      if (!isNotFound(error)) throw error
    }
    try {
      const created = { metadata: { ...lease }, spec: { ...spec, acquireTime: microTime(nowMs), leaseTransitions: 0 } }
      await client.create(leases, created, { signal })
      return true
    } catch (error) {
      if (isAlreadyExists(error)) return false
      throw error
    }
  }

  #mayTake({ spec }: Lease, nowMs: number): boolean {
    const { holderIdentity: holder, renewTime } = spec
    if (!holder || holder === this.#options.identity) return true
    if (this.#seen?.renewTime !== renewTime || this.#seen?.holder !== holder) this.#seen = { renewTime, holder, atMs: nowMs }
    return nowMs - this.#seen.atMs >= (spec.leaseDurationSeconds ?? 0) * 1000
  }

  /** Lets the next one take over at once. */
  async release(signal: AbortSignal): Promise<void> {
    const { client, lease, identity } = this.#options
    const current = await client.get(leases, { ...lease, signal })
    if (current.spec.holderIdentity !== identity) return
    await client.update(leases, { ...current, spec: { ...current.spec, holderIdentity: '', leaseDurationSeconds: 1 } }, { signal })
  }
}

/** The component is ready as soon as it waits for its turn. One that loses the Lease ends, and its supervisor starts it again. */
export function underLease(component: Component, options: LeaderElectionOptions): Component {
  return {
    name: component.name,
    async run(context) {
      const { signal, clock, log } = context
      const candidate = new Candidate(options, context)
      const timing = options.timing ?? DEFAULT_TIMING
      const attempt = (): Promise<boolean> =>
        candidate.hold(signal).catch((error: unknown) => {
          if (isAbort(error) || signal.aborted) throw error
          log.warn('the lease could not be held', { lease: options.lease.name, error: String(error) })
          return false
        })
      let waits = false
      while (!(await attempt())) {
        if (!waits) context.ready()
        waits = true
        await clock.sleep(timing.retryPeriodMs, signal)
      }
      log.info('became the leader', { lease: options.lease.name, identity: options.identity })
      const lost = new AbortController()
      const leading = AbortSignal.any([signal, lost.signal])
      const running = component.run({ ...context, signal: leading })
      try {
        await Promise.race([running, renewUntilLost(attempt, context, timing, leading)])
      } finally {
        lost.abort()
        await running.catch(() => {})
        await candidate.release(AbortSignal.timeout(timing.retryPeriodMs)).catch(() => {})
      }
    },
  }
}

async function renewUntilLost(
  attempt: () => Promise<boolean>,
  { clock }: ComponentContext,
  { renewDeadlineMs, retryPeriodMs }: LeaseTiming,
  signal: AbortSignal,
): Promise<void> {
  let heldMs = clock.now()
  for (;;) {
    await clock.sleep(retryPeriodMs, signal)
    if (await attempt()) heldMs = clock.now()
    else if (clock.now() - heldMs > renewDeadlineMs) throw new Error('the lease was lost')
  }
}
