/** Names of resources: which are standard, for containers, quotas and limits. */
import { invalid, invalidAll } from './fieldErrors.ts'
import { isQualifiedName } from './names.ts'
import type { FieldError } from '../status.ts'

const STANDARD_CONTAINER = new Set(['cpu', 'memory', 'ephemeral-storage'])
const STANDARD_LIMIT = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'cpu',
  'memory',
  'storage',
  'ephemeral-storage',
])
const STANDARD_QUOTA = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'persistentvolumeclaims',
  'configmaps',
  'services.nodeports',
  'services.loadbalancers',
])
const STANDARD = new Set([...STANDARD_QUOTA, ...STANDARD_LIMIT])
const INTEGERS = new Set([
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
])

export const isHugePage = (name: string): boolean => name.startsWith('hugepages-')
export const isStandardContainerResource = (name: string): boolean => STANDARD_CONTAINER.has(name) || isHugePage(name)
export const isStandardQuotaResource = (name: string): boolean =>
  STANDARD_QUOTA.has(name) || isHugePage(name) || name.startsWith('requests.hugepages-')
export const isNativeResource = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/')
/** Neither native nor a quota of requests: devices and the like. */
export const isExtendedResource = (name: string): boolean =>
  !isNativeResource(name) && !name.startsWith('requests.') && isQualifiedName(`requests.${name}`).length === 0
/** A limit may be above the request. */
export const isOvercommitAllowed = (name: string): boolean => isNativeResource(name) && !isHugePage(name)
export const isIntegerResource = (name: string): boolean => INTEGERS.has(name) || isExtendedResource(name)

/** Any resource name: a standard one, or one with a domain. */
export function validateResourceName(name: string, path: string): FieldError[] {
  const errors = invalidAll(path, name, isQualifiedName(name))
  if (errors.length > 0) return errors
  if (!name.includes('/') && !STANDARD.has(name) && !isHugePage(name) && !name.startsWith('requests.hugepages-')) {
    return [invalid(path, name, 'must be a standard resource type or fully qualified')]
  }
  return []
}

export function validateContainerResourceName(name: string, path: string): FieldError[] {
  const errors = validateResourceName(name, path)
  if (!name.includes('/')) {
    if (!isStandardContainerResource(name)) errors.push(invalid(path, name, 'must be a standard resource for containers'))
  } else if (!isNativeResource(name) && !isExtendedResource(name)) {
    errors.push(invalid(path, name, "doesn't follow extended resource name standard"))
  }
  return errors
}

export function validateQuotaResourceName(name: string, path: string): FieldError[] {
  const errors = validateResourceName(name, path)
  if (!name.includes('/') && !isStandardQuotaResource(name)) errors.push(invalid(path, name, 'must be a standard resource for quota'))
  return errors
}
