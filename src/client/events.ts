/**
 * Events about objects, as `kubectl describe` shows them: written as core/v1 Event objects, one after the other behind a
 * bounded queue; repeated ones are counted up on one object (client-go's EventRecorder).
 */
import { randomBytes } from 'node:crypto'
import { BoundedQueue } from '../base/boundedQueue.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { events, type ObjectReference } from '../api/kinds/core/v1.ts'
import { timestamp } from '../api/meta.ts'
import type { KubeObject } from '../api/resource.ts'
import { isNotFound, StatusError } from '../api/status.ts'
import type { Client } from './client.ts'
import { EventCorrelator, type EventPlan, type Occurrence, type Series } from './eventCorrelator.ts'

export interface RecordedEvent {
  type: 'Normal' | 'Warning'
  reason: string
  message: string
  fieldPath?: string
  /** What was being done: it shows in events of events.k8s.io alone. */
  action?: string
}

export interface EventRecorder {
  /** Never throws and never waits: a lost event must not stop the work that it tells of. */
  record(about: KubeObject, event: RecordedEvent): void
}

export interface EventRecorderOptions {
  client: Client
  /** `kubelet`, `deployment-controller`: shown in the From column of `kubectl describe`. */
  component: string
  /** Name of the node that the component runs on, if it is a node's. */
  host?: string
  log: Logger
  clock: Clock
}

/**
 * Events are written one after the other, in their order, and a Deployment of thousands of pods makes them faster than that. Upstream's
 * recorder keeps 1,000 and then drops, too; ours are only told of once the server is behind by this many.
 */
export const EVENT_QUEUE_LIMIT = 10_000
const EVENT_WRITE_TRIES = 5
const RETRY_MS = 1_000
const LOST_PERIOD_MS = 10_000

export function referenceTo(about: KubeObject, fieldPath?: string): ObjectReference {
  const { namespace, name, uid, resourceVersion } = about.metadata
  return {
    ...(about.kind && { kind: about.kind }),
    ...(namespace && { namespace }),
    name,
    ...(uid && { uid }),
    ...(about.apiVersion && { apiVersion: about.apiVersion }),
    ...(resourceVersion && { resourceVersion }),
    ...(fieldPath && { fieldPath }),
  }
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, component, host, log, clock } = options
  const correlator = new EventCorrelator((about) => `${about.name}.${randomBytes(8).toString('hex')}`)
  const queue = new BoundedQueue<Occurrence & { atMs: number }>(EVENT_QUEUE_LIMIT)
  const tellLost = lossTeller(log, clock)

  async function create(event: Occurrence, series: Series, atMs: number): Promise<void> {
    const namespace = event.about.namespace ?? 'default'
    await client.create(events, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: series.name, namespace },
      involvedObject: event.about,
      type: event.type,
      reason: event.reason,
      message: series.message,
      source: { component, ...(host && { host }) },
      firstTimestamp: timestamp(series.firstMs),
      lastTimestamp: timestamp(atMs),
      count: series.count,
      // As upstream's: who reports is left out where several events are told as one.
      reportingComponent: series.combined ? '' : component,
      reportingInstance: series.combined ? '' : (host ?? ''),
    })
  }

  async function write(event: Occurrence & { atMs: number }, plan: Exclude<EventPlan, { action: 'drop' }>): Promise<void> {
    const { series } = plan
    if (plan.action === 'create') return create(event, series, event.atMs)
    const at = { namespace: event.about.namespace ?? 'default', name: series.name, type: 'application/strategic-merge-patch+json' as const }
    const patch = { count: series.count, lastTimestamp: timestamp(event.atMs), message: series.message }
    await client.patch(events, at, patch).catch((error: unknown) => {
      // Events live an hour: a series that outlived its object starts a new one.
      if (isNotFound(error)) return create(event, series, event.atMs)
      throw error
    })
  }

  async function writeAll(): Promise<void> {
    for await (const event of queue) {
      // Once for each event: tries of one write are not to be counted as events.
      const plan = correlator.plan(event, event.atMs)
      if (plan.action === 'drop') continue
      await persist(() => write(event, plan), { reason: event.reason, log, clock })
    }
  }
  void writeAll()

  return {
    record(about, { type, reason, message, fieldPath }) {
      const kept = queue.push({ about: referenceTo(about, fieldPath), type, reason, message, atMs: clock.now() })
      if (!kept) tellLost(reason)
    },
  }
}

/** The server's refusal (a namespace that is going away) is final; an unreachable server is worth some tries. */
export async function persist(write: () => Promise<void>, options: { reason: string; log: Logger; clock: Clock }): Promise<void> {
  const { reason, log, clock } = options
  for (let tries = 1; ; tries++) {
    try {
      await write()
      return
    } catch (error) {
      const final = error instanceof StatusError && error.code < 500 && error.code !== 429
      if (final || tries === EVENT_WRITE_TRIES) {
        log.debug('event lost', { reason, cause: String(error) })
        return
      }
      await clock.sleep(RETRY_MS)
    }
  }
}

/** One line now and then, not for each event of a flood. */
export function lossTeller(log: Logger, clock: Clock): (reason: string) => void {
  let lost = 0
  let toldMs = 0
  return (reason) => {
    lost++
    if (clock.now() - toldMs < LOST_PERIOD_MS) return
    log.warn('events are lost, the queue is full', { reason, count: lost })
    toldMs = clock.now()
    lost = 0
  }
}
