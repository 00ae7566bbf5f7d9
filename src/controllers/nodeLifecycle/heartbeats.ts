/** When each node was last heard of. Counted from when this process saw the heartbeat change: the node's clock does not matter. */
import type { Lease } from '../../api/kinds/coordination/v1.ts'
import type { Node } from '../../api/kinds/core/v1.ts'
import { findCondition } from '../../api/meta.ts'
import type { Clock } from '../../base/clock.ts'
import type { Informer } from '../../client/informer.ts'

export const LEASE_NAMESPACE = 'kube-node-lease'

export interface Graces {
  /** A node that renews neither its lease nor its status for so long is unknown. */
  graceMs: number
  /** For so long a node that was never heard of may be silent. */
  startupGraceMs: number
}

/** A heartbeat without a lease nor a status. */
const SILENT = ' '

export class Heartbeats {
  readonly #leases: Informer<Lease>
  readonly #clock: Clock
  readonly #graces: Graces
  readonly #heard = new Map<string, { heartbeat: string; atMs: number }>()

  constructor(leases: Informer<Lease>, clock: Clock, graces: Graces) {
    this.#leases = leases
    this.#clock = clock
    this.#graces = graces
  }

  #heartbeatOf({ metadata, status }: Node): string {
    const lease = this.#leases.get(`${LEASE_NAMESPACE}/${metadata.name}`)
    const ready = findCondition(status?.conditions, 'Ready')
    return `${lease?.spec.renewTime ?? ''}${SILENT}${ready?.status === 'Unknown' ? '' : (ready?.lastHeartbeatTime ?? '')}`
  }

  /** Milliseconds until the node counts as lost. */
  leftMs(node: Node): number {
    const { name, creationTimestamp } = node.metadata
    const heartbeat = this.#heartbeatOf(node)
    const hasReported = findCondition(node.status?.conditions, 'Ready') !== undefined
    let last = this.#heard.get(name)
    if (last?.heartbeat !== heartbeat) {
      const isNew = heartbeat === SILENT && !hasReported
      last = { heartbeat, atMs: isNew ? Date.parse(creationTimestamp) : this.#clock.now() }
      this.#heard.set(name, last)
    }
    const { graceMs, startupGraceMs } = this.#graces
    return last.atMs + (hasReported ? graceMs : startupGraceMs) - this.#clock.now()
  }

  /** As if all had been heard of just now. */
  hearAll(): void {
    for (const last of this.#heard.values()) last.atMs = this.#clock.now()
  }

  forget(name: string): void {
    this.#heard.delete(name)
  }
}
