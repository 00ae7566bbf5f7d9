/** The table of events, in whichever of the two groups they are asked for. */
import type { Event as CoreEvent } from '../../api/kinds/core/v1.ts'
import type { Event } from '../../api/kinds/events/v1.ts'
import { named, printerOf, text, wide, type Printers } from './columns.ts'
import { since } from './format.ts'

/** events.k8s.io renames what core calls otherwise. */
function asCoreEvent(event: CoreEvent | Event): CoreEvent {
  if (!('regarding' in event) && !('note' in event)) return event as CoreEvent
  const {
    regarding,
    note,
    deprecatedSource,
    deprecatedCount,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    reportingController,
    ...rest
  } = event as Event
  return {
    ...rest,
    involvedObject: regarding ?? {},
    message: note ?? '',
    source: deprecatedSource ?? {},
    reportingComponent: reportingController ?? '',
    ...(deprecatedCount !== undefined && { count: deprecatedCount }),
    ...(deprecatedFirstTimestamp && { firstTimestamp: deprecatedFirstTimestamp }),
    ...(deprecatedLastTimestamp && { lastTimestamp: deprecatedLastTimestamp }),
  } as CoreEvent
}

function firstSeen({ firstTimestamp, eventTime }: CoreEvent, nowMs: number): string {
  return since(firstTimestamp ?? eventTime, nowMs)
}

function lastSeen(event: CoreEvent, nowMs: number): string {
  if (event.series) return since(event.series.lastObservedTime, nowMs)
  return event.lastTimestamp ? since(event.lastTimestamp, nowMs) : firstSeen(event, nowMs)
}

function objectOf({ involvedObject }: CoreEvent): string {
  const kind = (involvedObject?.kind ?? '').toLowerCase()
  return involvedObject?.name ? `${kind}/${involvedObject.name}` : kind
}

function sourceOf({ source, reportingComponent, reportingInstance }: CoreEvent): string {
  const component = source?.component || reportingComponent || ''
  const host = source?.host || reportingInstance || ''
  return host ? `${component}, ${host}` : component
}

const eventPrinter = printerOf(asCoreEvent, [
  text('Last Seen', lastSeen),
  text('Type', (event) => event.type ?? ''),
  text('Reason', (event) => event.reason ?? ''),
  text('Object', objectOf),
  wide(text('Subobject', (event) => event.involvedObject?.fieldPath ?? '')),
  wide(text('Source', sourceOf)),
  text('Message', (event) => (event.message ?? '').trim()),
  wide(text('First Seen', firstSeen)),
  wide(text('Count', (event) => (event.series ? (event.series.count ?? 0) : event.count || 1))),
  wide(named()),
])

export const eventPrinters: Printers = { '/events': eventPrinter, 'events.k8s.io/events': eventPrinter }
