/** The table of events, in whichever of the two groups they are asked for. */
import { eventToCore } from '../../api/conversion/event.ts'
import type { Event as CoreEvent } from '../../api/kinds/core/v1.ts'
import type { JsonObject } from '../../api/resource.ts'
import { named, printer, printerOf, text, wide, type Printers } from './columns.ts'
import { since } from './format.ts'

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

const columns = [
  text('Last Seen', lastSeen),
  text('Type', (event: CoreEvent) => event.type ?? ''),
  text('Reason', (event: CoreEvent) => event.reason ?? ''),
  text('Object', objectOf),
  wide(text('Subobject', (event: CoreEvent) => event.involvedObject?.fieldPath ?? '')),
  wide(text('Source', sourceOf)),
  text('Message', (event: CoreEvent) => (event.message ?? '').trim()),
  wide(text('First Seen', firstSeen)),
  wide(text('Count', (event: CoreEvent) => (event.series ? (event.series.count ?? 0) : event.count || 1))),
  wide(named<CoreEvent>()),
]

export const eventPrinters: Printers = {
  '/events': printer<CoreEvent>(...columns),
  'events.k8s.io/events': printerOf((event) => eventToCore(event as unknown as JsonObject) as unknown as CoreEvent, columns),
}
