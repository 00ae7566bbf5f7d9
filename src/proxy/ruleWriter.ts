/**
 * What kube-proxy does to the kernel: the tables of all IP families, changed by service and as one transaction, and the flows that
 * connection tracking must forget once the rules are there.
 */
import type { ComponentContext } from '../base/component.ts'
import { familiesOf, type IpFamily } from '../base/ipFamily.ts'
import { applyScript } from '../base/nftables.ts'
import type { Service } from '../api/kinds/core/v1.ts'
import type { EndpointSlice } from '../api/kinds/discovery/v1.ts'
import type { NodePlace } from './endpoints.ts'
import type { ProxyMetrics } from './proxyMetrics.ts'
import { isProxied, serviceRules, type ServiceRules } from './serviceRules.ts'
import { ServiceTable } from './serviceTable.ts'
import { deleteFlows, staleFlows, type FlowFilter } from './staleFlows.ts'
import { setTrackingTimeouts } from './trackingTimeouts.ts'

export interface KernelOptions {
  /** Hands a script to the kernel; `nft -f -` unless given. */
  apply?: (script: string, signal: AbortSignal) => Promise<void>
  /** Makes connection tracking forget flows; the program `conntrack` unless given. */
  forget?: (filter: FlowFilter, signal: AbortSignal) => Promise<number>
  /** Sets for how long connection tracking remembers. */
  remember?: () => Promise<void>
}

/** A service that is to be looked at anew. */
export interface ChangedService {
  key: string
  /** Undefined when it is gone. */
  service: Service | undefined
  slices: readonly EndpointSlice[]
}

/** Beside the services. */
export interface Surroundings {
  place: NodePlace
  /** Ranges of services' addresses. */
  serviceCidrs: readonly string[]
}

interface FamilyTable {
  family: IpFamily
  table: ServiceTable
}

export class RuleWriter {
  readonly #kernel: Required<KernelOptions>
  readonly #podCidrs: readonly string[]
  readonly #tables: readonly FamilyTable[]
  readonly #metrics: ProxyMetrics
  readonly #context: Pick<ComponentContext, 'log' | 'clock'>
  #tracking: Promise<void> | undefined

  constructor(podCidrs: readonly string[], metrics: ProxyMetrics, context: Pick<ComponentContext, 'log' | 'clock'>, kernel: KernelOptions) {
    const { apply = applyScript, forget = deleteFlows, remember = setTrackingTimeouts } = kernel
    this.#kernel = { apply, forget, remember }
    this.#podCidrs = podCidrs
    this.#metrics = metrics
    this.#context = context
    this.#tables = familiesOf(podCidrs).map((family) => ({ family, table: new ServiceTable(family) }))
    for (const { family, table } of this.#tables) metrics.countWithoutLocal(family, (traffic) => table.withoutLocal(traffic))
  }

  /** Resolves when the rules are in the kernel, with the flows of each family that they make wrong. */
  async write(changed: readonly ChangedService[], { place, serviceCidrs }: Surroundings, signal: AbortSignal): Promise<FlowFilter[][]> {
    const wanted = this.#tables.map(({ family, table }) => ({ table, ...this.#changesOf(changed, { family, table }, place) }))
    const script = wanted.map(({ table, changes }) => table.change(changes, serviceCidrs)).join('')
    if (script) await this.#kernel.apply(script, signal)
    return wanted.map(({ stale }) => stale)
  }

  /** Once the rules are in place: a flow that could not be deleted is worth a line, not another try of everything. */
  async forgetFlows(stale: readonly FlowFilter[][], signal: AbortSignal): Promise<void> {
    await this.#setTracking()
    for (const [index, filters] of stale.entries()) {
      if (filters.length === 0) continue
      const sinceMs = this.#context.clock.now()
      let count = 0
      for (const filter of filters) count += await this.#forget(filter, signal)
      this.#metrics.flowsDeleted(index, count, sinceMs)
    }
  }

  /** What the kernel holds is not known: the next changes start from nothing. */
  reset(): void {
    for (const { table } of this.#tables) table.reset()
  }

  /** What changed services want of one family's table, and the flows that this makes wrong. */
  #changesOf(
    changed: readonly ChangedService[],
    { family, table }: FamilyTable,
    place: NodePlace,
  ): { changes: Map<string, ServiceRules | undefined>; stale: FlowFilter[] } {
    const context = { ...place, podCidrs: this.#podCidrs, family }
    const changes = new Map<string, ServiceRules | undefined>()
    for (const { key, service, slices } of changed)
      changes.set(key, service && isProxied(service, family) ? serviceRules(service, slices, context) : undefined)
    const stale = [...changes].flatMap(([key, rules]) => staleFlows(table.rulesOf(key), rules, family))
    return { changes, stale }
  }

  /** The settings are there once something is tracked, which the first rules see to. */
  #setTracking(): Promise<void> {
    this.#tracking ??= this.#kernel
      .remember()
      .catch((error: unknown) => this.#context.log.warn('the timeouts of connection tracking could not be set', { error: String(error) }))
    return this.#tracking
  }

  #forget(filter: FlowFilter, signal: AbortSignal): Promise<number> {
    return this.#kernel.forget(filter, signal).catch((error: unknown) => {
      if (!signal.aborted) this.#context.log.warn('could not delete stale UDP flows', { filter: filter.join(' '), error: String(error) })
      return 0
    })
  }
}
