/**
 * Runs a component in one of several processes at a time (client-go's tools/leaderelection): who holds the Lease runs it and
 * renews the Lease; the others watch it stand still for its duration, by their own clocks, before one of them takes it over.
 * Beyond upstream, a leader that has not renewed in time writes nothing any more, even before it has noticed (`leaseFence.ts`).
 */
import { isAbort, orAbort } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { Component, ComponentContext } from '../base/component.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import { leases, type Lease, type LeaseSpec } from '../api/kinds/coordination/v1.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../api/status.ts'
import { longestMs, shortestMs, type LeaseFence, type Moment } from './leaseFence.ts'

export interface LeaseTiming {
  leaseDurationMs: number
  renewDeadlineMs: number
  retryPeriodMs: number
}

/** Upstream's defaults. */
export const DEFAULT_LEASE_TIMING: LeaseTiming = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 }

export interface LeaderElectionOptions {
  /** Not the component's own: that one is behind the fence. */
  client: Client
  lease: { namespace: string; name: string }
  /** Differs between processes. */
  identity: string
  fence: LeaseFence
  events?: EventRecorder
  timing?: LeaseTiming
  /** Both clocks; the process's own unless given. */
  now?: () => Moment
}

export const systemMoment = (): Moment => ({ wallMs: Date.now(), steadyMs: performance.now() })

/** The Lease's wire format of time has microseconds. */
const microTime = (epochMs: number): string => new Date(epochMs).toISOString().replace('Z', '000Z')

/** `others`: somebody else has it and its time has not run out. `failed`: that is not known. */
type Verdict = 'held' | 'others' | 'failed'

class Candidate {
  readonly #options: LeaderElectionOptions
  readonly #timing: LeaseTiming
  readonly #now: () => Moment
  readonly #context: ComponentContext
  /** The holder's last sign of life, and when it was seen here. */
  #seen: { renewTime: string | undefined; holder: string | undefined; at: Moment } | undefined
  /** When the last renewal that came through was asked for. */
  #heldAt: Moment | undefined

  constructor(options: LeaderElectionOptions, context: ComponentContext) {
    this.#options = options
    this.#timing = options.timing ?? DEFAULT_LEASE_TIMING
    this.#now = options.now ?? systemMoment
    this.#context = context
  }

  /** How long a renewal may still take until the lease must count as lost; below 0 it does. */
  get leftMs(): number {
    return this.#heldAt ? this.#timing.renewDeadlineMs - longestMs(this.#heldAt, this.#now()) : this.#timing.renewDeadlineMs
  }

  /** One try to take or to keep the Lease, which ends in time. */
  async attempt(signal: AbortSignal): Promise<Verdict> {
    const { fence, lease } = this.#options
    const at = this.#now()
    const late = afterMs(this.#context.clock, this.leftMs)
    try {
      const limited = AbortSignal.any([signal, late.signal])
      const verdict = await orAbort(this.#hold(at, limited), limited)
      if (verdict === 'held') {
        this.#heldAt = at
        fence.open(at, this.#timing.renewDeadlineMs)
      }
      return verdict
    } catch (error) {
      if (signal.aborted) throw error
      if (!isAbort(error)) this.#context.log.warn('the lease could not be held', { lease: lease.name, error: String(error) })
      return 'failed'
    } finally {
      late.cancel()
    }
  }

  async #hold(at: Moment, signal: AbortSignal): Promise<Verdict> {
    const { client, lease, identity } = this.#options
    const renewTime = microTime(at.wallMs)
    const leaseDurationSeconds = Math.trunc(this.#timing.leaseDurationMs / 1000)
    const spec: LeaseSpec = { holderIdentity: identity, leaseDurationSeconds, renewTime }
    try {
      const current = await client.get(leases, { ...lease, signal })
      if (!this.#mayTake(current)) return 'others'
      const { holderIdentity: before, leaseTransitions: transitions = 0, acquireTime } = current.spec
      const isKept = before === identity
      const since = isKept
        ? { acquireTime: acquireTime ?? renewTime, leaseTransitions: transitions }
        : { acquireTime: renewTime, leaseTransitions: transitions + 1 }
      await client.update(leases, { ...current, spec: { ...current.spec, ...spec, ...since } }, { signal })
      return 'held'
    } catch (error) {
      if (isConflict(error)) return 'failed'
      if (!isNotFound(error)) throw error
    }
    try {
      const created = { metadata: { ...lease }, spec: { ...spec, acquireTime: renewTime, leaseTransitions: 0 } }
      await client.create(leases, created, { signal })
      return 'held'
    } catch (error) {
      if (isAlreadyExists(error)) return 'failed'
      throw error
    }
  }

  #mayTake({ spec }: Lease): boolean {
    const { holderIdentity: holder, renewTime } = spec
    if (!holder || holder === this.#options.identity) return true
    const now = this.#now()
    if (this.#seen?.renewTime !== renewTime || this.#seen?.holder !== holder) this.#seen = { renewTime, holder, at: now }
    return shortestMs(this.#seen.at, now) >= (spec.leaseDurationSeconds ?? 0) * 1000
  }

  /** Returns once the Lease is lost; rejects when the signal aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#context.clock.sleep(this.#timing.retryPeriodMs, signal)
      if (this.leftMs < 0 || (await this.attempt(signal)) === 'others' || this.leftMs < 0) return
    }
  }

  /** Lets the next one take over at once. */
  async release(signal: AbortSignal): Promise<void> {
    const { client, lease, identity } = this.#options
    const current = await client.get(leases, { ...lease, signal })
    if (current.spec.holderIdentity !== identity) return
    await client.update(leases, { ...current, spec: { ...current.spec, holderIdentity: '', leaseDurationSeconds: 1 } }, { signal })
  }
}

/** A signal that aborts after so long, unless it is cancelled before. */
function afterMs(clock: Clock, delayMs: number): { signal: AbortSignal; cancel(): void } {
  const abort = new AbortController()
  const cancel = clock.after(delayMs, () => abort.abort(new DOMException('The lease was not renewed in time', 'TimeoutError')))
  return { signal: abort.signal, cancel }
}

/** As upstream tells it: about the Lease, by the name of the component. */
function tellOfLeader({ events, lease, identity }: LeaderElectionOptions): void {
  const about: Lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { ...lease, uid: '', resourceVersion: '', creationTimestamp: '' },
    spec: {},
  }
  events?.record(about, { type: 'Normal', reason: 'LeaderElection', message: `${identity} became leader` })
}

/** The component is ready as soon as it waits for its turn. One that loses the Lease ends, and its supervisor starts it again. */
export function underLease(component: Component, options: LeaderElectionOptions): Component {
  return {
    name: component.name,
    async run(context) {
      const { signal, clock, log } = context
      const { fence, lease, identity, timing = DEFAULT_LEASE_TIMING } = options
      const candidate = new Candidate(options, context)
      let waits = false
      while ((await candidate.attempt(signal)) !== 'held') {
        if (!waits) context.ready()
        waits = true
        await clock.sleep(timing.retryPeriodMs, signal)
      }
      log.info('became the leader', { lease: lease.name, identity })
      tellOfLeader(options)
      const lost = new AbortController()
      const leading = AbortSignal.any([signal, lost.signal])
      const running = component.run({ ...context, signal: leading })
      try {
        const keeping = candidate.keep(leading).then(() => {
          throw new Error(`the lease ${lease.name} was lost`)
        })
        await Promise.race([running, keeping])
      } finally {
        fence.close()
        lost.abort()
        await running.catch(() => {})
        await candidate.release(AbortSignal.timeout(timing.retryPeriodMs)).catch(() => {})
      }
    },
  }
}
