/** Events: those of the new API are held to more than those of core/v1, which tell no eventTime. */
import { invalid, invalidAll, required } from './fieldErrors.ts'
import { isQualifiedName } from './names.ts'
import type { Event } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const CLUSTER_NAMESPACES = new Set(['', 'default', 'kube-system'])
const LONGEST = { action: 128, reason: 128, message: 1_024, reportingInstance: 128 }

function validateNamespace(event: Event): FieldError[] {
  const about = event.involvedObject?.namespace ?? ''
  if (about === '' ? CLUSTER_NAMESPACES.has(event.metadata.namespace) : about === event.metadata.namespace) return []
  return [invalid('involvedObject.namespace', about, 'does not match event.namespace')]
}

function validateNew(event: Event): FieldError[] {
  const errors: FieldError[] = []
  const { reportingComponent = '', reportingInstance = '', action = '', reason = '', message = '', type = '' } = event
  if (!reportingComponent) errors.push(required('reportingComponent'))
  errors.push(...invalidAll('reportingComponent', reportingComponent, isQualifiedName(reportingComponent)))
  if (!reportingInstance) errors.push(required('reportingInstance'))
  if (!action) errors.push(required('action'))
  if (!reason) errors.push(required('reason'))
  for (const [field, value] of Object.entries({ reportingInstance, action, reason, message })) {
    const limit = LONGEST[field as keyof typeof LONGEST]
    if (value.length > limit) errors.push(invalid(field, '', `can have at most ${limit} characters`))
  }
  if (type !== 'Normal' && type !== 'Warning') errors.push(invalid('type', '', `has invalid value: ${type}`))
  if (event.series && (event.series.count ?? 0) < 2) errors.push(invalid('series.count', '', 'should be at least 2'))
  return errors
}

export function validateEvent(event: Event, _old?: Event): FieldError[] {
  return [...validateNamespace(event), ...(event.eventTime ? validateNew(event) : [])]
}
