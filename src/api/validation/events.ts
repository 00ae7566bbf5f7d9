/** Events: those of events.k8s.io are held to more than those of core/v1. */
import { check, invalid, required } from './fieldErrors.ts'
import { goInternal } from './goInternal.ts'
import { isQualifiedName } from './names.ts'
import { validateObjectMeta } from './objectMeta.ts'
import { checkImmutable } from './values.ts'
import type { Event } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const LONGEST = { reportingInstance: 128, action: 128, reason: 128, message: 1024 }
const FIXED = ['involvedObject', 'reason', 'message', 'source', 'firstTimestamp', 'lastTimestamp', 'count', 'reason', 'type'] as const
const MICROSECONDS_RE = /(\.\d{6})\d*/

function checkNamespace(errors: FieldError[], { involvedObject, eventTime, metadata: { namespace } }: Event): void {
  const about = involvedObject?.namespace ?? ''
  let isRight: boolean
  if (about) isRight = Boolean(eventTime) || about === namespace
  else isRight = namespace === 'default' || (eventTime ? namespace === 'kube-system' : !namespace)
  if (!isRight) errors.push(invalid('involvedObject.namespace', about, 'does not match event.namespace'))
}

/** An event with an eventTime tells who reports it and why. */
function checkReport(errors: FieldError[], event: Event, isCore: boolean): void {
  const { reportingComponent = '' } = event
  const reporter = isCore ? 'reportingComponent' : 'reportingController'
  if (!reportingComponent) errors.push(required(reporter))
  check(errors, reporter, reportingComponent, isQualifiedName(reportingComponent))
  for (const [field, limit] of Object.entries(LONGEST)) {
    const value = event[field as keyof typeof LONGEST] ?? ''
    if (!value && field !== 'message') errors.push(required(field))
    if (Buffer.byteLength(value) > limit) errors.push(invalid(field, '', `can have at most ${limit} characters`))
  }
}

function checkSeries(errors: FieldError[], { series }: Event): void {
  if (!series) return
  if ((series.count ?? 0) < 2) errors.push(invalid('series.count', '', 'should be at least 2'))
  if (!series.lastObservedTime) errors.push(required('series.lastObservedTime'))
}

function checkAny(errors: FieldError[], event: Event, isCore: boolean): void {
  checkNamespace(errors, event)
  if (event.eventTime) checkReport(errors, event, isCore)
}

/** `group` is that of the request: `''` for core/v1. */
export function validateEvent(event: Event, group = ''): FieldError[] {
  const errors: FieldError[] = []
  checkAny(errors, event, group === '')
  if (group === '') return errors
  const { metadata, eventTime, type = '', firstTimestamp, lastTimestamp, count, source } = event
  errors.push(...validateObjectMeta(metadata, { namespaced: true }))
  checkSeries(errors, event)
  if (!eventTime) errors.push(required('eventTime'))
  if (type !== 'Normal' && type !== 'Warning') errors.push(invalid('type', '', `has invalid value: ${type}`))
  const legacy = { firstTimestamp, lastTimestamp, count, source: source?.component || source?.host }
  for (const [field, value] of Object.entries(legacy)) if (value) errors.push(invalid(field, '', 'needs to be unset'))
  return errors
}

const STRUCTS: Readonly<Record<string, string>> = {
  involvedObject: 'core.v1.ObjectReference',
  related: 'core.v1.ObjectReference',
  source: 'core.v1.EventSource',
}
const TEXTS: readonly string[] = ['reason', 'message', 'type', 'action']

/** Of references and sources all but `related` are always there, be they empty; so are texts. */
function checkFixed(errors: FieldError[], field: (typeof FIXED)[number] | 'action' | 'related', next: Event, old: Event): void {
  const type = STRUCTS[field]
  const none = TEXTS.includes(field) ? '' : type && field !== 'related' ? {} : undefined
  const [now, before] = [next[field] ?? none, old[field] ?? none]
  if (type) checkImmutable(errors, field, now, before, goInternal(type, now as object | undefined))
  else checkImmutable(errors, field, now, before)
}

export function validateEventUpdate(next: Event, old: Event, group = ''): FieldError[] {
  const errors: FieldError[] = []
  checkAny(errors, next, group === '')
  if (group === '') return errors
  if (JSON.stringify(next.series) !== JSON.stringify(old.series)) checkSeries(errors, next)
  for (const field of FIXED) checkFixed(errors, field, next, old)
  const [nextTime, oldTime] = [next, old].map(({ eventTime }) => eventTime?.replace(MICROSECONDS_RE, '$1'))
  checkImmutable(errors, 'eventTime', nextTime, oldTime)
  for (const field of ['action', 'related'] as const) checkFixed(errors, field, next, old)
  checkImmutable(errors, 'reportingController', next.reportingComponent ?? '', old.reportingComponent ?? '')
  checkImmutable(errors, 'reportingInstance', next.reportingInstance ?? '', old.reportingInstance ?? '')
  return errors
}
