/**
 * Events in the form of events.k8s.io/v1, which the scheduler writes (client-go's tools/events): with the action and who
 * reports. What happens again to the same state of an object is a series: the second time is written at once, the
 * others are counted here and told when the series has gone on for long, or has ended.
 */
import { randomBytes } from 'node:crypto'
import { BoundedQueue } from '../base/boundedQueue.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { ObjectReference } from '../api/kinds/core/v1.ts'
import { events, type Event } from '../api/kinds/events/v1.ts'
import type { Draft } from '../api/resource.ts'
import { isNotFound } from '../api/status.ts'
import type { Client } from './client.ts'
import { EVENT_QUEUE_LIMIT, lossTeller, persist, referenceTo, type EventRecorder } from './events.ts'

export interface ReportingRecorderOptions {
  client: Client
  /** `default-scheduler` */
  controller: string
  /** Host name of who reports. */
  host: string
  log: Logger
  clock: Clock
  signal: AbortSignal
}

/** So many are under way to the server at once: at full speed the scheduler tells of hundreds in a second. */
const WRITERS = 8
const REFRESH_PERIOD_MS = 30 * 60_000
const FINISHED_AFTER_MS = 6 * 60_000
/** So many are remembered; what was forgotten begins anew when it happens again. */
const KNOWN_MAX = 10_000

interface Reported {
  event: Draft<Event>
  count: number
  lastMs: number
  toldMs: number
}

const microTime = (epochMs: number): string => new Date(epochMs).toISOString().replace('Z', '000Z')

function keyOf({ type, action, reason, regarding }: Draft<Event>): string {
  const id = (object: ObjectReference | undefined): string =>
    object ? [object.kind, object.namespace, object.name, object.uid, object.resourceVersion, object.fieldPath].join('/') : ''
  return [type, action, reason, id(regarding)].join('|')
}

export function createReportingRecorder(options: ReportingRecorderOptions): EventRecorder {
  const { client, controller, host, log, clock, signal } = options
  const queue = new BoundedQueue<Draft<Event>>(EVENT_QUEUE_LIMIT)
  const tellLost = lossTeller(log, clock)
  const known = new Map<string, Reported>()

  const seriesOf = ({ count, lastMs }: Reported): Event['series'] => ({ count, lastObservedTime: microTime(lastMs) })

  async function tellSeries(reported: Reported): Promise<void> {
    const { event } = reported
    reported.toldMs = clock.now()
    const { namespace = 'default', name = '' } = event.metadata
    const series = seriesOf(reported)
    const at = { namespace, name, type: 'application/strategic-merge-patch+json' as const, signal }
    const write = (): Promise<unknown> =>
      client.patch(events, at, { series }).catch((error: unknown) => {
        // Events live an hour.
        if (isNotFound(error)) return client.create(events, { ...event, series } as Draft<Event>, { signal })
        throw error
      })
    await persist(async () => void (await write()), { reason: event.reason ?? '', log, clock })
  }

  async function report(event: Draft<Event>): Promise<void> {
    const key = keyOf(event)
    const reported = known.get(key)
    if (!reported) {
      known.set(key, { event, count: 1, lastMs: clock.now(), toldMs: clock.now() })
      const [oldest] = known.size > KNOWN_MAX ? known.keys() : []
      if (oldest !== undefined) known.delete(oldest)
      await persist(async () => void (await client.create(events, event, { signal })), { reason: event.reason ?? '', log, clock })
      return
    }
    reported.count++
    reported.lastMs = clock.now()
    if (reported.count === 2) await tellSeries(reported)
  }

  async function writeAll(): Promise<void> {
    for await (const event of queue) {
      if (signal.aborted) return
      await report(event)
    }
  }

  /** Forgets what has not been seen for a while, and tells how often the others were. */
  async function settle(): Promise<void> {
    for (const [key, reported] of known) {
      const ended = clock.now() - reported.lastMs > FINISHED_AFTER_MS
      if (ended) known.delete(key)
      if (reported.count > 2 && (ended || clock.now() - reported.toldMs >= REFRESH_PERIOD_MS)) await tellSeries(reported)
    }
  }

  async function settleNowAndThen(): Promise<void> {
    for (;;) {
      await clock.sleep(FINISHED_AFTER_MS, signal)
      await settle()
    }
  }

  const onEnd = (error: unknown): void => {
    if (!signal.aborted) log.error('events are written no more', error)
  }
  for (let writers = 0; writers < WRITERS; writers++) writeAll().catch(onEnd)
  settleNowAndThen().catch(onEnd)

  return {
    record(about, { type, reason, message, fieldPath, action }) {
      const now = clock.now()
      const event: Draft<Event> = {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name: `${about.metadata.name}.${randomBytes(8).toString('hex')}`, namespace: about.metadata.namespace ?? 'default' },
        eventTime: microTime(now),
        reportingController: controller,
        reportingInstance: `${controller}-${host}`,
        action: action ?? reason,
        reason,
        regarding: referenceTo(about, fieldPath),
        note: message,
        type,
      }
      if (!queue.push(event)) tellLost(reason)
    },
  }
}
