/** Leases, priority classes, runtime classes. */
import { duplicate, forbidden, IMMUTABLE, invalid, invalidAll, required } from './fieldErrors.ts'
import { goInternal } from './goInternal.ts'
import { nameIsDnsLabel } from './names.ts'
import { validateLabels } from './objectMeta.ts'
import { checkOverhead } from './pod/resources.ts'
import { checkTolerations } from './pod/scheduling.ts'
import { checkOneOf } from './values.ts'
import type { Lease } from '../kinds/coordination/v1.ts'
import type { RuntimeClass } from '../kinds/node/v1.ts'
import type { PriorityClass } from '../kinds/scheduling/v1.ts'
import type { FieldError } from '../status.ts'

export function validateLease({ spec }: Lease): FieldError[] {
  const errors: FieldError[] = []
  const seconds = spec?.leaseDurationSeconds
  if (seconds !== undefined && seconds <= 0) errors.push(invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0'))
  const transitions = spec?.leaseTransitions
  if (transitions !== undefined && transitions < 0)
    errors.push(invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0'))
  return errors
}

const LARGEST_USER_PRIORITY = 1_000_000_000
const SYSTEM: Record<string, number> = { 'system-node-critical': 2_000_001_000, 'system-cluster-critical': 2_000_000_000 }

export function validatePriorityClass(priorityClass: PriorityClass): FieldError[] {
  const { metadata, value = 0, preemptionPolicy } = priorityClass
  const errors: FieldError[] = []
  if (metadata.name?.startsWith('system-')) {
    if (SYSTEM[metadata.name] === undefined) {
      errors.push(
        forbidden(
          'metadata.name',
          `priority class names with 'system-' prefix are reserved for system use only. error: ${metadata.name} is not a known system priority class`,
        ),
      )
    } else if (SYSTEM[metadata.name] !== value) {
      errors.push(
        forbidden(
          'metadata.name',
          `priority class names with 'system-' prefix are reserved for system use only. error: value of ${metadata.name} PriorityClass must be ${SYSTEM[metadata.name]}`,
        ),
      )
    }
  } else if (value > LARGEST_USER_PRIORITY)
    errors.push(forbidden('value', `maximum allowed value of a user defined priority is ${LARGEST_USER_PRIORITY}`))
  if (preemptionPolicy !== undefined) checkOneOf(errors, 'preemptionPolicy', preemptionPolicy, ['PreemptLowerPriority', 'Never'])
  return errors
}

export function validatePriorityClassUpdate(next: PriorityClass, old: PriorityClass): FieldError[] {
  const errors: FieldError[] = []
  if (next.value !== old.value) errors.push(forbidden('value', 'may not be changed in an update.'))
  if (next.preemptionPolicy !== old.preemptionPolicy) errors.push(invalid('preemptionPolicy', next.preemptionPolicy ?? null, IMMUTABLE))
  return errors
}

export function validateRuntimeClass({ handler, overhead, scheduling }: RuntimeClass): FieldError[] {
  const errors = handler ? invalidAll('handler', handler, nameIsDnsLabel(handler, false)) : [required('handler')]
  if (overhead?.podFixed) checkOverhead(errors, overhead.podFixed, 'overhead')
  if (scheduling?.nodeSelector) errors.push(...validateLabels(scheduling.nodeSelector, 'scheduling.nodeSelector'))
  const tolerations = scheduling?.tolerations ?? []
  checkTolerations(errors, tolerations, 'scheduling.tolerations')
  const seen = new Set<string>()
  for (const [i, toleration] of tolerations.entries()) {
    const { key, operator, value, effect } = toleration
    const place = JSON.stringify([key, operator, value, effect])
    if (seen.has(place)) errors.push(duplicate(`scheduling.tolerations[${i}]`, goInternal('core.v1.Toleration', toleration)))
    seen.add(place)
  }
  return errors
}

export function validateRuntimeClassUpdate(next: RuntimeClass, old: RuntimeClass): FieldError[] {
  const errors = validateRuntimeClass(next)
  if (next.handler !== old.handler) errors.push(invalid('handler', next.handler, IMMUTABLE))
  return errors
}
