/** Event: the core group's and that of events.k8s.io are the same with other names. */
import type { JsonObject } from '../resource.ts'

const EVENTS_NAME_OF: readonly (readonly [core: string, events: string])[] = [
  ['metadata', 'metadata'],
  ['eventTime', 'eventTime'],
  ['series', 'series'],
  ['reportingComponent', 'reportingController'],
  ['reportingInstance', 'reportingInstance'],
  ['action', 'action'],
  ['reason', 'reason'],
  ['involvedObject', 'regarding'],
  ['related', 'related'],
  ['message', 'note'],
  ['type', 'type'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
]

function renamed(event: JsonObject, from: 0 | 1): JsonObject {
  const out: JsonObject = {}
  for (const names of EVENTS_NAME_OF) {
    const value = event[names[from]]
    if (value !== undefined) out[names[from === 0 ? 1 : 0]] = value
  }
  return out
}

export const eventToEvents = (event: JsonObject): JsonObject => renamed(event, 0)
export const eventToCore = (event: JsonObject): JsonObject => renamed(event, 1)
