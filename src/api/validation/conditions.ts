/** Conditions of the common form (metav1.Condition). */
import { check, duplicate, invalid, notSupported, required, tooLong } from './fieldErrors.ts'
import { isQualifiedName, regexError } from './names.ts'
import type { Condition } from '../kinds/meta/v1.ts'
import type { FieldError } from '../status.ts'

const STATUSES = ['False', 'True', 'Unknown']
const REASON_RE = /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/
const REASON_ERROR = regexError(
  "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
  REASON_RE.source.slice(1, -1),
  'my_name',
  'MY_NAME',
  'MyName',
  'ReasonA,ReasonB',
  'ReasonA:ReasonB',
)
const REASON_LIMIT_BYTES = 1024
const MESSAGE_LIMIT_BYTES = 32 * 1024

export function checkConditions(errors: FieldError[], conditions: readonly Condition[] | undefined, path: string): void {
  const seen = new Set<string>()
  for (const [i, { type, status, observedGeneration = 0, lastTransitionTime, reason, message }] of (conditions ?? []).entries()) {
    const at = `${path}[${i}]`
    if (seen.has(type)) errors.push(duplicate(`${at}.type`, type))
    seen.add(type)
    check(errors, `${at}.type`, type, isQualifiedName(type))
    if (!STATUSES.includes(status)) errors.push(notSupported(`${at}.status`, status, STATUSES))
    if (observedGeneration < 0)
      errors.push(invalid(`${at}.observedGeneration`, observedGeneration, 'must be greater than or equal to zero'))
    if (!lastTransitionTime) errors.push(required(`${at}.lastTransitionTime`))
    if (!reason) errors.push(required(`${at}.reason`))
    else if (!REASON_RE.test(reason)) errors.push(invalid(`${at}.reason`, reason, REASON_ERROR))
    if (Buffer.byteLength(reason) > REASON_LIMIT_BYTES) errors.push(tooLong(`${at}.reason`, REASON_LIMIT_BYTES))
    if (Buffer.byteLength(message) > MESSAGE_LIMIT_BYTES) errors.push(tooLong(`${at}.message`, MESSAGE_LIMIT_BYTES))
  }
}
