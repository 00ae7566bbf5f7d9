/**
 * Leader election on a Lease (client-go's leaderelection): of several copies of a component only the holder of the lease
 * works. A single control plane leaves it out.
 *
 * A holder that cannot renew within the renew deadline stops before others may take the lease over. Another's lease counts
 * as expired only after it was seen unchanged for its whole duration on this machine's clock: clocks need not agree.
 */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { leases, type Lease, type LeaseSpec } from '../api/kinds/coordination/v1.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../api/status.ts'
import type { Client } from './client.ts'

export interface LeaderElectionOptions {
  client: Client
  clock: Clock
  log: Logger
  /** Of the Lease. */
  namespace: string
  name: string
  /** Unique among the copies. */
  identity: string
  leaseDurationMs?: number
  renewDeadlineMs?: number
  retryPeriodMs?: number
}

interface Observed {
  resourceVersion: string
  sinceMs: number
}

export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}

export type LeaseVerdict = 'ours' | 'free' | 'held'

/** Whose lease it is, for one that has looked like this since `observedSinceMs`. */
export function judgeLease(spec: LeaseSpec, identity: string, observedSinceMs: number, nowMs: number): LeaseVerdict {
  if (spec.holderIdentity === identity) return 'ours'
  if (!spec.holderIdentity) return 'free'
  return observedSinceMs + (spec.leaseDurationSeconds ?? 0) * 1_000 <= nowMs ? 'free' : 'held'
}

/** The lease as it is after this copy took or renewed it. */
export function claimLease(spec: LeaseSpec, identity: string, leaseDurationMs: number, nowMs: number): LeaseSpec {
  const kept = spec.holderIdentity === identity
  const renewTime = microTime(nowMs)
  return {
    ...spec,
    holderIdentity: identity,
    leaseDurationSeconds: Math.round(leaseDurationMs / 1_000),
    acquireTime: kept ? (spec.acquireTime ?? renewTime) : renewTime,
    renewTime,
    leaseTransitions: (spec.leaseTransitions ?? 0) + (kept ? 0 : 1),
  }
}

class LeaderElection {
  readonly #options: Required<LeaderElectionOptions>
  #observed: Observed | undefined

  constructor(options: Required<LeaderElectionOptions>) {
    this.#options = options
  }

  /** True when this copy holds the lease now. */
  async tryHold(signal: AbortSignal): Promise<boolean> {
    const { client, clock, namespace, name, identity, leaseDurationMs } = this.#options
    try {
      const lease = await client.get(leases, { namespace, name, signal })
      if (this.#observed?.resourceVersion !== lease.metadata.resourceVersion) {
        this.#observed = { resourceVersion: lease.metadata.resourceVersion, sinceMs: clock.now() }
      }
      if (judgeLease(lease.spec, identity, this.#observed.sinceMs, clock.now()) === 'held') return false
      const claimed: Lease = { ...lease, spec: claimLease(lease.spec, identity, leaseDurationMs, clock.now()) }
      await client.update(leases, claimed, { signal })
      return true
    } catch (error) {
      if (isConflict(error)) return false
      if (!isNotFound(error)) throw error
    }
    try {
      const spec = { ...claimLease({}, identity, leaseDurationMs, clock.now()), leaseTransitions: 0 }
      await client.create(leases, { metadata: { namespace, name }, spec }, { signal })
      return true
    } catch (error) {
      if (isAlreadyExists(error)) return false
      throw error
    }
  }

  async acquire(signal: AbortSignal): Promise<void> {
    const { clock, log, retryPeriodMs } = this.#options
    for (;;) {
      signal.throwIfAborted()
      const held = await this.tryHold(signal).catch((error: unknown) => {
        signal.throwIfAborted()
        log.warn('leader election failed, trying again', { cause: String(error) })
        return false
      })
      if (held) return
      await clock.sleep(retryPeriodMs, signal)
    }
  }

  /** Resolves when the lease is lost. */
  async renewUntilLost(signal: AbortSignal): Promise<void> {
    const { clock, log, retryPeriodMs, renewDeadlineMs } = this.#options
    let renewedMs = clock.now()
    while (!signal.aborted) {
      await clock.sleep(retryPeriodMs, signal).catch(() => {})
      if (signal.aborted) return
      const held = await this.tryHold(signal).catch((error: unknown) => {
        log.warn('the lease could not be renewed', { cause: String(error) })
        return false
      })
      if (held) renewedMs = clock.now()
      else if (clock.now() - renewedMs >= renewDeadlineMs) return
    }
  }

  async release(): Promise<void> {
    const { client, namespace, name, identity, clock } = this.#options
    const lease = await client.get(leases, { namespace, name })
    if (lease.spec.holderIdentity !== identity) return
    const spec: LeaseSpec = {
      leaseDurationSeconds: 1,
      renewTime: microTime(clock.now()),
      leaseTransitions: lease.spec.leaseTransitions ?? 0,
    }
    await client.update(leases, { ...lease, spec })
  }
}

/**
 * Waits for the lease, runs `lead` while it is held, and gives it back at the end. Throws when the lease is lost: the
 * supervisor then starts the component again.
 */
export async function runAsLeader(
  options: LeaderElectionOptions,
  signal: AbortSignal,
  lead: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const complete = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000, ...options }
  const election = new LeaderElection(complete)
  await election.acquire(signal)
  const leading = new AbortController()
  const both = AbortSignal.any([signal, leading.signal])
  const renewing = election.renewUntilLost(both)
  const led = lead(both)
  try {
    const lost = renewing.then(() => {
      if (!both.aborted) throw new Error(`lost the lease ${options.namespace}/${options.name}`)
    })
    await Promise.race([led, lost])
  } finally {
    leading.abort()
    // Nothing may go on in the holder's name once the lease is given back.
    await Promise.allSettled([led, renewing])
    await election.release().catch((error: unknown) => options.log.warn('the lease could not be released', { cause: String(error) }))
  }
}
