/** Requests and limits. */
import { forbidden, invalid, notFound, required } from './fieldErrors.ts'
import { isWhole, nanosOf } from './quantities.ts'
import { isExtendedResource, isHugePage, isIntegerResource, validateContainerResourceName } from './resourceNames.ts'
import { NOT_NEGATIVE } from './values.ts'
import type { ResourceRequirements } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const isOvercommitable = (name: string): boolean => !isExtendedResource(name) && !isHugePage(name)

export function validateResourceValue(name: string, value: string, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (nanosOf(value) < 0n) errors.push(invalid(path, value, NOT_NEGATIVE))
  if (isIntegerResource(name) && !isWhole(value)) errors.push(invalid(path, value, 'must be an integer'))
  return errors
}

function validateHugePage(name: string, value: string, path: string): FieldError[] {
  const page = nanosOf(name.slice('hugepages-'.length))
  const amount = nanosOf(value)
  if (page > 0n && (amount < 0n || amount % page !== 0n)) return [invalid(path, value, `${value} is not positive integer multiple of ${name}`)]
  return []
}

export function validateResourceRequirements(resources: ResourceRequirements | undefined, path: string, claims?: ReadonlySet<string>): FieldError[] {
  if (!resources) return []
  const { limits = {}, requests = {} } = resources
  const errors: FieldError[] = []
  let hasHugePages = false
  let hasCompute = false
  for (const [field, values] of Object.entries({ limits, requests })) {
    for (const [name, value] of Object.entries(values)) {
      const at = `${path}.${field}[${name}]`
      errors.push(...validateContainerResourceName(name, at), ...validateResourceValue(name, value, at))
      if (isHugePage(name)) {
        hasHugePages = true
        errors.push(...validateHugePage(name, value, at))
      }
      if (name === 'cpu' || name === 'memory') hasCompute = true
    }
  }
  for (const [name, request] of Object.entries(requests)) {
    const limit = limits[name]
    if (limit === undefined) {
      if (!isOvercommitable(name)) errors.push(required(`${path}.limits`, 'Limit must be set for non overcommitable resources'))
    } else if (!isOvercommitable(name) && nanosOf(request) !== nanosOf(limit)) {
      errors.push(invalid(`${path}.requests`, request, `must be equal to ${name} limit of ${limit}`))
    } else if (nanosOf(request) > nanosOf(limit)) {
      errors.push(invalid(`${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`))
    }
  }
  if (hasHugePages && !hasCompute) errors.push(forbidden(path, 'HugePages require cpu or memory'))
  return [...errors, ...validateClaims(resources, path, claims)]
}

function validateClaims(resources: ResourceRequirements, path: string, known: ReadonlySet<string> = new Set()): FieldError[] {
  return (resources.claims ?? []).flatMap(({ name }, i) => {
    const at = `${path}.claims[${i}]`
    if (!name) return [required(`${at}.name`)]
    if (known.has(name)) return []
    const error = notFound(at, name)
    const which = known.size === 0 ? 'which is empty' : 'which is not'
    return [{ ...error, message: `${error.message}: must be one of the names in pod.spec.resourceClaims ${which}` }]
  })
}
