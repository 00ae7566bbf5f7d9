/** metav1.LabelSelector's rules. */
import { invalidAll, invalidTyped, forbidden, required } from './fieldErrors.ts'
import { isLabelValue, isQualifiedName } from './names.ts'
import { validateLabels } from './objectMeta.ts'
import type { LabelSelector } from '../kinds/meta/v1.ts'
import type { FieldError } from '../status.ts'

export function validateLabelSelector(selector: LabelSelector | undefined, path: string): FieldError[] {
  if (!selector) return []
  const errors = validateLabels(selector.matchLabels ?? {}, `${path}.matchLabels`)
  for (const [i, { key, operator, values = [] }] of (selector.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${i}]`
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0) errors.push(forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    } else errors.push(invalidTyped(`${at}.operator`, operator, 'not a valid selector operator'))
    errors.push(...invalidAll(`${at}.key`, key, isQualifiedName(key)))
    for (const [j, value] of values.entries()) errors.push(...invalidAll(`${at}.values[${j}]`, value, isLabelValue(value)))
  }
  return errors
}

/** A selector as Go prints it: labels by key. */
export function shownSelector(selector: LabelSelector | undefined): LabelSelector | null {
  if (!selector) return null
  const { matchLabels } = selector
  return matchLabels
    ? { ...selector, matchLabels: Object.fromEntries(Object.entries(matchLabels).sort(([a], [b]) => (a < b ? -1 : 1))) }
    : selector
}

export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0
}
