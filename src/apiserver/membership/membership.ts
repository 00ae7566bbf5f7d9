/**
 * What an API server keeps up while it serves: the system namespaces, the `kubernetes` Service and its endpoints, which are all
 * servers of the store, and its own Lease. What somebody deletes comes back (upstream's systemnamespaces, kubernetesservice and
 * apiserver identity controllers, at their intervals).
 */
import { timestamp } from '../../api/meta.ts'
import { isAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Loopback } from '../bootstrap/bootstrap.ts'
import type { IdentityLease } from './identityLease.ts'
import { kubernetesEndpoints, kubernetesService } from './kubernetesService.ts'
import type { KubernetesServiceOptions } from './kubernetesService.ts'
import type { MasterLeases } from './masterLeases.ts'

const RENEW_MS = 10_000
const SYSTEM_OBJECTS_MS = 60_000
const COLLECT_MS = 3_600_000

export interface MembershipOptions {
  loopback: Loopback
  service: KubernetesServiceOptions
  identity: IdentityLease
  /** Brings back what others deleted of what belongs to every cluster. */
  ensureSystemObjects: () => Promise<void>
  /** Where other servers may write to the same store. */
  leases?: MasterLeases
  log: Logger
  clock: Clock
}

export class Membership {
  readonly #options: MembershipOptions
  #running: Promise<unknown> = Promise.resolve()

  constructor(options: MembershipOptions) {
    this.#options = options
  }

  /** Resolves when the service leads here; goes on until the signal aborts. Throws where that cannot be had. */
  async start(signal: AbortSignal): Promise<void> {
    const { identity, ensureSystemObjects } = this.#options
    await Promise.all([this.#service(), identity.renew()])
    const collect = (): Promise<void> => identity.collect()
    this.#running = Promise.all([
      this.#every(RENEW_MS, signal, async () => {
        await Promise.all([this.#service(), identity.renew()])
      }),
      this.#every(SYSTEM_OBJECTS_MS, signal, ensureSystemObjects),
      this.#attempt(collect, signal).then(() => this.#every(COLLECT_MS, signal, collect)),
    ])
  }

  /** After the signal: waits for what is under way. */
  async stopped(): Promise<void> {
    await this.#running
  }

  /** Before the server stops: others learn at once that nobody is to be sent here. */
  async leave(): Promise<void> {
    const { leases, loopback, service } = this.#options
    if (!leases) return
    await leases.remove(service.advertise.address)
    await kubernetesEndpoints(loopback, service, await leases.addresses())
  }

  async #service(): Promise<void> {
    const { loopback, service, leases, clock } = this.#options
    const { address } = service.advertise
    await kubernetesService(loopback, service, timestamp(clock.now()))
    await leases?.renew(address)
    await kubernetesEndpoints(loopback, service, leases ? await leases.addresses() : [address])
  }

  async #every(intervalMs: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      await this.#options.clock.sleep(intervalMs, signal).catch(() => {})
      await this.#attempt(work, signal)
    }
  }

  /** The next time is soon. */
  async #attempt(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    try {
      await work()
    } catch (error) {
      if (!signal.aborted && !isAbort(error)) this.#options.log.warn('what the server keeps up could not be', { error: String(error) })
    }
  }
}
