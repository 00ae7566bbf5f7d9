/**
 * Since when what a Service's endpoints show has been due (client-go's TriggerTimeTracker): the time stands on what is written, and
 * tells how long the network took to hear of a change.
 */
import type { Pod, Service } from '../../api/kinds/core/v1.ts'
import { findCondition } from '../../api/meta.ts'

export const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time'

interface Seen {
  service: string
  /** By name. */
  pods: ReadonlyMap<string, string>
}

const isLater = (time: string | undefined, than: string | undefined): time is string =>
  time !== undefined && (than === undefined || Date.parse(time) > Date.parse(than))

export class TriggerTimes {
  readonly #seen = new Map<string, Seen>()

  /** The earliest change since the last look; undefined where nothing that has a time changed. */
  look(key: string, service: Service, selected: readonly Pod[]): string | undefined {
    const before = this.#seen.get(key)
    const pods = new Map<string, string>()
    const changes: string[] = []
    for (const { metadata, status } of selected) {
      const time = findCondition(status?.conditions, 'Ready')?.lastTransitionTime
      if (!time) continue
      pods.set(metadata.name, time)
      if (isLater(time, before?.pods.get(metadata.name))) changes.push(time)
    }
    const { creationTimestamp } = service.metadata
    if (isLater(creationTimestamp, before?.service)) changes.push(creationTimestamp)
    this.#seen.set(key, { service: creationTimestamp, pods })
    return changes.sort()[0]
  }

  forget(key: string): void {
    this.#seen.delete(key)
  }
}

/** What goes onto an object that is written anyway. */
export function withTriggerTime(annotations: Record<string, string> | undefined, time: string | undefined): Record<string, string> {
  const { [TRIGGER_TIME]: _, ...others } = annotations ?? {}
  return { ...others, ...(time !== undefined && { [TRIGGER_TIME]: time }) }
}
