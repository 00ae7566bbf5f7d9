/** Requests, limits and claims, of containers and of the pod as a whole. */
import { asGiven } from '../../codec/goShape.ts'
import { check, duplicate, forbidden, invalid, notFound, notSupported, required } from '../fieldErrors.ts'
import { isDns1123Label } from '../names.ts'
import { addQuantity, formatQuantity, parseQuantity } from '../../quantity.ts'
import { isWhole, nanosOf } from '../quantities.ts'
import { isHugePage, isIntegerResource, isNativeResource, validateContainerResourceName, validateResourceName } from '../resourceNames.ts'
import { NOT_NEGATIVE } from '../values.ts'
import { isSidecar } from './scope.ts'
import type { Quantity } from '../../quantity.ts'
import type { PodSpec, ResourceClaim, ResourceRequirements } from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'

type ResourceList = Readonly<Record<string, string>>

function validatePodResourceName(name: string, path: string): FieldError[] {
  const errors = validateResourceName(name, path)
  if (errors.length > 0 || name === 'cpu' || name === 'memory' || isHugePage(name)) return errors
  return [notSupported(path, name, ['cpu', 'hugepages-', 'memory'])]
}

function isWholePages(name: string, quantity: string): boolean {
  const size = nanosOf(name.slice('hugepages-'.length))
  return size > 0n && size % 1_000_000_000n === 0n && nanosOf(quantity) % size === 0n
}

export function checkQuantity(errors: FieldError[], name: string, quantity: string, path: string): void {
  if (nanosOf(quantity) < 0n) errors.push(invalid(path, quantity, NOT_NEGATIVE))
  if (isIntegerResource(name) && !isWhole(quantity)) errors.push(invalid(path, quantity, 'must be an integer'))
}

function checkList(
  errors: FieldError[],
  list: ResourceList,
  nameRule: typeof validateContainerResourceName,
  path: string,
  each?: (name: string, quantity: string) => void,
): void {
  for (const [name, quantity] of Object.entries(list)) {
    const at = `${path}[${name}]`
    if (name !== 'cpu' && name !== 'memory') errors.push(...nameRule(name, at))
    checkQuantity(errors, name, quantity, at)
    each?.(name, quantity)
    if (isHugePage(name) && !isWholePages(name, quantity))
      errors.push(invalid(at, quantity, `${quantity} is not positive integer multiple of ${name}`))
  }
}

function checkRequirements(
  errors: FieldError[],
  requirements: ResourceRequirements,
  nameRule: typeof validateContainerResourceName,
  claimNames: ReadonlySet<string>,
  path: string,
): void {
  const { limits = {}, requests = {}, claims } = requirements
  checkList(errors, limits, nameRule, `${path}.limits`)
  checkList(errors, requests, nameRule, `${path}.requests`, (name, request) => {
    const limit = limits[name]
    const overcommits = isNativeResource(name) && !isHugePage(name)
    if (limit === undefined) {
      if (!overcommits) errors.push(required(`${path}.limits`, 'Limit must be set for non overcommitable resources'))
      return
    }
    if (request === limit) return
    const [asked, most] = [nanosOf(request), nanosOf(limit)]
    if (asked !== most && !overcommits) errors.push(invalid(`${path}.requests`, request, `must be equal to ${name} limit of ${limit}`))
    else if (asked > most) errors.push(invalid(`${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`))
  })
  const names = [...Object.keys(limits), ...Object.keys(requests)]
  if (names.some(isHugePage) && !names.includes('cpu') && !names.includes('memory'))
    errors.push(forbidden(path, 'HugePages require cpu or memory'))
  if (claims) checkClaims(errors, claims, claimNames, `${path}.claims`)
}

function checkClaims(errors: FieldError[], claims: readonly ResourceClaim[], claimNames: ReadonlySet<string>, path: string): void {
  const seen = new Set<string>()
  for (const [i, { name, request }] of claims.entries()) {
    const at = `${path}[${i}]`
    if (!name) {
      errors.push(required(at))
      continue
    }
    if (seen.has(name)) errors.push(duplicate(at, name))
    else {
      if (request) check(errors, `${at}.request`, request, isDns1123Label(request))
      const key = request ? `${name}/${request}` : name
      if (seen.has(key)) errors.push(duplicate(at, key))
      else if (!request) for (const other of seen) if (other.startsWith(`${name}/`)) errors.push(duplicate(at, name))
      seen.add(key)
    }
    if (claimNames.has(name)) continue
    const names = [...claimNames].sort()
    const known = names.length === 0 ? ' which is empty' : `: ${names.join(', ')}`
    const error = notFound(at, name)
    errors.push({ ...error, message: `${error.message}: must be one of the names in pod.spec.resourceClaims${known}` })
  }
}

export function checkContainerResources(
  errors: FieldError[],
  requirements: ResourceRequirements,
  claimNames: ReadonlySet<string>,
  path: string,
): void {
  checkRequirements(errors, requirements, validateContainerResourceName, claimNames, path)
}

/** The overhead of a runtime class. */
export function checkOverhead(errors: FieldError[], overhead: ResourceList, path: string): void {
  checkRequirements(errors, { limits: overhead as Record<string, string> }, validateContainerResourceName, new Set(), path)
}

/** What the containers together need at one time: all main ones and sidecars, or an init container and the sidecars before it. */
function aggregate(spec: PodSpec, list: 'requests' | 'limits'): Map<string, Quantity> {
  const sum = new Map<string, Quantity>()
  const peak = new Map<string, Quantity>()
  const sidecars = new Map<string, Quantity>()
  const add = (to: Map<string, Quantity>, from: ResourceList): void => {
    for (const [name, quantity] of Object.entries(from)) {
      const before = to.get(name)
      to.set(name, before ? addQuantity(before, quantity) : parseQuantity(quantity))
    }
  }
  for (const { resources } of spec.containers ?? []) add(sum, resources?.[list] ?? {})
  for (const container of spec.initContainers ?? []) {
    const own = container.resources?.[list] ?? {}
    if (isSidecar(container)) {
      add(sum, own)
      add(sidecars, own)
    }
    const now = new Map(sidecars)
    if (!isSidecar(container)) add(now, own)
    for (const [name, quantity] of now) if (quantity.nanos > (peak.get(name)?.nanos ?? -1n)) peak.set(name, quantity)
  }
  for (const [name, quantity] of peak) if (quantity.nanos > (sum.get(name)?.nanos ?? -1n)) sum.set(name, quantity)
  return sum
}

function checkConsistency(errors: FieldError[], spec: PodSpec, { requests = {}, limits = {} }: ResourceRequirements, path: string): void {
  for (const [name, needed] of aggregate(spec, 'requests')) {
    const given = requests[name]
    if (given === undefined || needed.nanos <= nanosOf(given)) continue
    errors.push(
      invalid(
        `${path}.requests[${name}]`,
        given,
        `must be greater than or equal to aggregate container requests of ${formatQuantity(needed)}`,
      ),
    )
  }
  for (const [name, needed] of aggregate(spec, 'limits')) {
    const given = limits[name]
    if (!isHugePage(name) || given === undefined || needed.nanos <= nanosOf(given)) continue
    errors.push(
      invalid(`${path}.limits[${name}]`, given, `must be greater than or equal to aggregate container limits of ${formatQuantity(needed)}`),
    )
  }
  for (const [i, { resources }] of (spec.containers ?? []).entries()) {
    for (const [name, limit] of Object.entries(resources?.limits ?? {})) {
      const given = limits[name]
      if (given === undefined || nanosOf(limit) <= nanosOf(given)) continue
      errors.push(invalid(`${path}.containers[${i}][${name}].limits`, limit, `must be less than or equal to pod limits of ${given}`))
    }
  }
}

export function checkPodResources(errors: FieldError[], spec: PodSpec, claimNames: ReadonlySet<string>, path: string): void {
  const { resources, os } = spec
  if (!resources) return
  if (os?.name === 'windows') {
    errors.push(forbidden(path, 'may not be set for a windows pod'))
    return
  }
  if (asGiven(resources, 'claims')) errors.push(forbidden(`${path}.claims`, 'claims may not be set for Resources at pod-level'))
  checkRequirements(errors, resources, validatePodResourceName, claimNames, path)
  checkConsistency(errors, spec, resources, path)
}
