/** Events about the node. They carry its name as the uid, as those of every kubelet do. */
import type { EventRecorder } from '../../client/events.ts'
import type { Condition } from '../eviction/pressure.ts'

const PRESSURE_EVENTS: Readonly<Record<Condition, readonly [short: string, fine: string]>> = {
  MemoryPressure: ['NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
  DiskPressure: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
  PIDPressure: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
}

/** Reasons for what changed from one set of pressures to another; `before` undefined for a node that nobody has known. */
export function pressureReasons(before: readonly Condition[] | undefined, now: readonly Condition[]): string[] {
  return (Object.keys(PRESSURE_EVENTS) as Condition[])
    .filter((condition) => before === undefined || before.includes(condition) !== now.includes(condition))
    .map((condition) => PRESSURE_EVENTS[condition][now.includes(condition) ? 0 : 1])
}

export class NodeEvents {
  readonly #events: EventRecorder
  readonly #nodeName: string

  constructor({ events, nodeName }: { events: EventRecorder; nodeName: string }) {
    this.#events = events
    this.#nodeName = nodeName
  }

  /** The node's status is now what the reason says. */
  status(reason: string): void {
    this.record(reason, `Node ${this.#nodeName} status is now: ${reason}`)
  }

  record(reason: string, message: string, type: 'Normal' | 'Warning' = 'Normal'): void {
    const metadata = { name: this.#nodeName, uid: this.#nodeName, creationTimestamp: '', resourceVersion: '' }
    this.#events.record({ apiVersion: 'v1', kind: 'Node', metadata }, { type, reason, message })
  }
}
