/** LimitRange (pkg/apis/core/validation). */
import { duplicate, forbidden, invalid, invalidTyped, required } from './fieldErrors.ts'
import { isQualifiedName } from './names.ts'
import { nanosOf } from './quantities.ts'
import { isOvercommitAllowed, validateContainerResourceName, validateResourceName } from './resourceNames.ts'
import type { LimitRange, LimitRangeItem } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const LIMIT_TYPES = ['Pod', 'Container', 'PersistentVolumeClaim']

function limitResourceErrors(type: string, name: string, path: string): FieldError[] {
  if (type === 'Container' || type === 'Pod') return validateContainerResourceName(name, path)
  return validateResourceName(name, path)
}

export function validateLimitRange(range: LimitRange): FieldError[] {
  const seen = new Set<string>()
  return (range.spec?.limits ?? []).flatMap((limit, i) => {
    const path = `spec.limits[${i}]`
    const broken = isQualifiedName(limit.type)
    if (broken.length === 0 && !LIMIT_TYPES.includes(limit.type) && !limit.type.includes('/'))
      broken.push('must be a standard limit type or fully qualified')
    const errors = broken.map((why) => invalidTyped(`${path}.type`, limit.type, why))
    if (seen.has(limit.type)) errors.push(duplicate(`${path}.type`, limit.type))
    seen.add(limit.type)
    return [...errors, ...validateLimit(limit, path)]
  })
}

function validateLimit(limit: LimitRangeItem, path: string): FieldError[] {
  const { type, min = {}, max = {}, default: defaults = {}, defaultRequest = {}, maxLimitRequestRatio = {} } = limit
  const errors: FieldError[] = []
  for (const [field, values] of Object.entries({ max, min })) {
    for (const name of Object.keys(values)) errors.push(...limitResourceErrors(type, name, `${path}.${field}[${name}]`))
  }
  if (type === 'Pod') {
    if (limit.default) errors.push(forbidden(`${path}.default`, "may not be specified when `type` is 'Pod'"))
    if (limit.defaultRequest) errors.push(forbidden(`${path}.defaultRequest`, "may not be specified when `type` is 'Pod'"))
  } else {
    for (const [field, values] of Object.entries({ default: defaults, defaultRequest })) {
      for (const name of Object.keys(values)) errors.push(...limitResourceErrors(type, name, `${path}.${field}[${name}]`))
    }
  }
  const isUnbounded = type === 'PersistentVolumeClaim' && min['storage'] === undefined && max['storage'] === undefined
  if (isUnbounded) errors.push(required(`${path}.limits`, 'either minimum or maximum storage value is required, but neither was provided'))
  for (const name of Object.keys(maxLimitRequestRatio))
    errors.push(...limitResourceErrors(type, name, `${path}.maxLimitRequestRatio[${name}]`))
  // Those of pods are refused, and no more is said of them.
  const isPod = type === 'Pod'
  const names = new Set([max, min, isPod ? {} : defaults, isPod ? {} : defaultRequest, maxLimitRequestRatio].flatMap(Object.keys))
  for (const name of names)
    errors.push(
      ...limitOrder(
        {
          min: min[name],
          max: max[name],
          default: isPod ? undefined : defaults[name],
          defaultRequest: isPod ? undefined : defaultRequest[name],
          ratio: maxLimitRequestRatio[name],
        },
        name,
        path,
      ),
    )
  return errors
}

interface LimitValues {
  min: string | undefined
  max: string | undefined
  default: string | undefined
  defaultRequest: string | undefined
  ratio: string | undefined
}

function limitOrder(v: LimitValues, name: string, path: string): FieldError[] {
  const errors: FieldError[] = []
  const above = (a: string | undefined, b: string | undefined): boolean => a !== undefined && b !== undefined && nanosOf(a) > nanosOf(b)
  const check = (
    field: string,
    low: string | undefined,
    high: string | undefined,
    lowName: string,
    highName: string,
    shown: string | undefined,
  ): void => {
    if (above(low, high))
      errors.push(invalid(`${path}.${field}[${name}]`, shown, `${lowName} value ${low} is greater than ${highName} value ${high}`))
  }
  check('min', v.min, v.max, 'min', 'max', v.min)
  check('defaultRequest', v.min, v.defaultRequest, 'min', 'default request', v.defaultRequest)
  check('defaultRequest', v.defaultRequest, v.max, 'default request', 'max', v.defaultRequest)
  check('defaultRequest', v.defaultRequest, v.default, 'default request', 'default limit', v.defaultRequest)
  check('default', v.min, v.default, 'min', 'default', v.min)
  check('default', v.default, v.max, 'default', 'max', v.max)
  if (v.ratio !== undefined) {
    if (nanosOf(v.ratio) < 1_000_000_000n)
      errors.push(invalid(`${path}.maxLimitRequestRatio[${name}]`, v.ratio, `ratio ${v.ratio} is less than 1`))
    if (v.min !== undefined && v.max !== undefined && Number(nanosOf(v.ratio)) / 1e9 > Number(nanosOf(v.max)) / Number(nanosOf(v.min))) {
      const limit = Number(nanosOf(v.max)) / Number(nanosOf(v.min))
      errors.push(
        invalid(`${path}.maxLimitRequestRatio[${name}]`, v.ratio, `ratio ${v.ratio} is greater than max/min = ${limit.toFixed(6)}`),
      )
    }
  }
  if (
    !isOvercommitAllowed(name) &&
    v.default !== undefined &&
    v.defaultRequest !== undefined &&
    nanosOf(v.default) !== nanosOf(v.defaultRequest)
  ) {
    const text = `default value ${v.default} must equal to defaultRequest value ${v.defaultRequest} in ${name}`
    errors.push(invalid(`${path}.defaultRequest[${name}]`, v.defaultRequest, text))
  }
  return errors
}
