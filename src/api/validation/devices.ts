/** What claims and slices of devices (resource.k8s.io) have in common. */
import { asGiven } from '../codec/goShape.ts'
import { check, duplicate, invalid, notSupported, required, tooLong, tooMany } from './fieldErrors.ts'
import { isCIdentifier, isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName } from './names.ts'
import { checkCsiDriverName } from './volumeSources.ts'
import type { DeviceTaint, DeviceToleration } from '../kinds/resource/v1.ts'
import type { FieldError } from '../status.ts'

export const REQUESTS_LIMIT = 32
const ID_LIMIT_BYTES = 32
const POOL_NAME_LIMIT_BYTES = 253
const BINDING_CONDITIONS_LIMIT = 4
const EFFECTS = ['NoExecute', 'NoSchedule', 'None']

/** A list that is not too long; `keyOf` says what may not be there twice. */
export function checkList<T>(
  errors: FieldError[],
  list: readonly T[] | null | undefined,
  limit: number,
  path: string,
  checkItem: (item: T, path: string) => void,
  keyOf?: (item: T) => string,
  shownKey: (item: T) => unknown = keyOf ?? String,
): void {
  if (!list) return
  if (list.length > limit) {
    errors.push(tooMany(path, list.length, limit))
    return
  }
  list.forEach((item, i) => checkItem(item, `${path}[${i}]`))
  if (!keyOf) return
  const seen = new Set<string>()
  for (const [i, item] of list.entries()) {
    const key = keyOf(item)
    if (seen.has(key)) errors.push(duplicate(`${path}[${i}]`, shownKey(item)))
    seen.add(key)
  }
}

export function checkName(errors: FieldError[], name: string, path: string): void {
  check(errors, path, name, isDns1123Label(name))
}

export function checkPoolName(errors: FieldError[], name: string, path: string): void {
  if (!name) {
    errors.push(required(path))
    return
  }
  if (Buffer.byteLength(name) > POOL_NAME_LIMIT_BYTES) errors.push(tooLong(path, POOL_NAME_LIMIT_BYTES))
  for (const part of name.split('/')) check(errors, path, part, isDns1123Subdomain(part))
}

function checkIdentifier(errors: FieldError[], id: string, path: string): void {
  if (Buffer.byteLength(id) > ID_LIMIT_BYTES) errors.push(tooLong(path, ID_LIMIT_BYTES))
  check(errors, path, id, isCIdentifier(id))
}

/** `name`, or `domain/name`. */
export function checkAttributeName(errors: FieldError[], name: string, path: string): void {
  const parts = name.split('/')
  const [domain = '', id = ''] = parts
  if (parts.length === 1) checkIdentifier(errors, domain, path)
  if (parts.length !== 2) return
  if (domain) checkCsiDriverName(errors, domain, path)
  else errors.push(invalid(path, '', 'the domain must not be empty'))
  if (id) checkIdentifier(errors, id, path)
  else errors.push(invalid(path, '', 'the name must not be empty'))
}

export function checkFullAttributeName(errors: FieldError[], name: string, path: string): void {
  checkAttributeName(errors, name, path)
  if (!name.includes('/')) errors.push(invalid(path, name, 'a fully qualified name must be a domain and a name separated by a slash'))
}

/** A driver's own words: a JSON object. */
export function checkParameters(errors: FieldError[], parameters: unknown, limitBytes: number, path: string): void {
  if (parameters === undefined || parameters === null) errors.push(required(path))
  else if (Buffer.byteLength(JSON.stringify(parameters)) > limitBytes) errors.push(tooLong(path, limitBytes))
  else if (typeof parameters !== 'object' || Array.isArray(parameters))
    errors.push(invalid(path, '<value omitted>', 'must be a valid JSON object'))
}

export function checkTaint(errors: FieldError[], { key, value, effect }: DeviceTaint, path: string): void {
  check(errors, `${path}.key`, key, isQualifiedName(key))
  if (value) check(errors, `${path}.value`, value, isLabelValue(value))
  if (!effect) errors.push(required(`${path}.effect`))
  else if (!EFFECTS.includes(effect)) errors.push(notSupported(`${path}.effect`, effect, EFFECTS))
}

export function checkToleration(errors: FieldError[], { key, operator, value = '', effect }: DeviceToleration, path: string): void {
  if (key) check(errors, `${path}.key`, key, isQualifiedName(key))
  if (operator === 'Exists') {
    if (value) errors.push(invalid(`${path}.value`, value, 'must be empty for operator `Exists`'))
  } else if (operator === 'Equal') check(errors, `${path}.value`, value, isLabelValue(value))
  else if (!operator) errors.push(required(`${path}.operator`))
  else errors.push(notSupported(`${path}.operator`, operator, ['Equal', 'Exists']))
  if (effect && !EFFECTS.includes(effect)) errors.push(notSupported(`${path}.effect`, effect, EFFECTS))
}

/** Conditions that tell whether a device can be used after all: both lists or none. */
export function checkBinding(errors: FieldError[], given: BindingConditions, path: string): void {
  const { bindingConditions = [], bindingFailureConditions: failures = [] } = given
  const lists = { bindingConditions, bindingFailureConditions: failures }
  for (const [field, list] of Object.entries(lists)) {
    checkList(errors, list, BINDING_CONDITIONS_LIMIT, `${path}.${field}`, (condition, at) =>
      check(errors, at, condition, isQualifiedName(condition)),
    )
  }
  for (const [field, list] of Object.entries(lists)) {
    for (const [i, condition] of list.entries()) {
      if (list.indexOf(condition) < i) errors.push(duplicate(`${path}.${field}[${i}]`, condition))
      if (field === 'bindingFailureConditions' && bindingConditions.includes(condition)) {
        errors.push(invalid(`${path}.${field}[${i}]`, condition, 'bindingFailureConditions must not overlap with bindingConditions'))
      }
    }
  }
  if (bindingConditions.length === 0 && failures.length > 0) {
    errors.push(
      invalid(
        `${path}.bindingConditions`,
        asGiven(given, 'bindingConditions'),
        'bindingConditions are required to use bindingFailureConditions',
      ),
    )
  }
  if (failures.length === 0 && bindingConditions.length > 0) {
    errors.push(
      invalid(
        `${path}.bindingFailureConditions`,
        asGiven(given, 'bindingFailureConditions'),
        'bindingFailureConditions are required to use bindingConditions',
      ),
    )
  }
}

interface BindingConditions {
  bindingConditions?: string[]
  bindingFailureConditions?: string[]
}
