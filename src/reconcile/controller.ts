/**
 * The shape of every controller: watches turn changes into keys, a work queue collapses and rate-limits them, `reconcile`
 * brings one key's world to where it should be (controller-runtime's source → handler → queue → Reconcile).
 * The loop that runs it is `runController.ts`.
 */
import type { ComponentContext } from '../base/component.ts'
import type { KubeObject, Resource } from '../api/resource.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informer, InformerOptions, Informers } from '../client/informer.ts'
import type { QueueMetrics } from '../client/metrics/queueMetrics.ts'

/** What a controller's factory gets. Reads go to the informers, writes to the client. */
export interface ControllerContext extends Omit<ComponentContext, 'ready'> {
  client: Client
  informers: Informers
  events: EventRecorder
  /** What its queue tells of itself goes there. */
  queueMetrics?: QueueMetrics
}

/** What came of a key: nothing more to do, or look again after a while. Throwing means: again, with backoff. */
export type Outcome = void | { requeueAfterMs: number }

export interface Watch {
  /** Starts to observe; calls `enqueue` for each key that a change concerns. */
  start(informers: Informers, enqueue: (key: string) => void): Informer<KubeObject>
}

export interface Controller {
  /** Upstream's controller name, e.g. `deployment-controller`: flags and logs use it. */
  name: string
  watches: readonly Watch[]
  reconcile(key: string, signal: AbortSignal): Promise<Outcome>
  /** How many keys may be in work at once; 5 unless given. One key is never worked on twice at a time. */
  workers?: number
}

export type ControllerFactory = (context: ControllerContext) => Controller

/** Watches `resource`; `toKeys` names the keys that a change concerns (before and after both matter). */
export function watch<T extends KubeObject>(
  resource: Resource<T>,
  toKeys: (object: T, informers: Informers) => readonly string[],
  options: InformerOptions = {},
): Watch {
  return {
    start(informers, enqueue) {
      const informer = informers.for(resource, options)
      informer.onChange(({ before, after }) => {
        if (after) for (const key of toKeys(after, informers)) enqueue(key)
        if (before) for (const key of toKeys(before, informers)) enqueue(key)
      })
      return informer
    },
  }
}
