/** ServiceCIDRs, and the IPAddresses that are given out of them (pkg/apis/networking/validation). */
import { asGiven } from '../codec/goShape.ts'
import { check, IMMUTABLE, invalid, required } from './fieldErrors.ts'
import { goInternal } from './goInternal.ts'
import { canonicalCidr, isCanonicalIp, isDns1123Subdomain, isPathSegmentName, isValidCidr } from './names.ts'
import { checkImmutable } from './values.ts'
import type { IPAddress, ServiceCIDR } from '../kinds/networking/v1.ts'
import type { FieldError } from '../status.ts'

/** An IPAddress is named for its address. */
export const nameIsIp = (name: string): string[] => isCanonicalIp(name)

export function validateIpAddress({ spec }: IPAddress): FieldError[] {
  const errors: FieldError[] = []
  const parent = spec?.parentRef
  const path = 'spec.parentRef'
  if (!parent) return [required(path)]
  const { group, resource, name, namespace } = parent
  if (group) check(errors, `${path}.group`, group, isDns1123Subdomain(group))
  if (!resource) errors.push(required(`${path}.resource`))
  else check(errors, `${path}.resource`, resource, isPathSegmentName(resource, false))
  if (!name) errors.push(required(`${path}.name`))
  else check(errors, `${path}.name`, name, isPathSegmentName(name, false))
  if (namespace) check(errors, `${path}.namespace`, namespace, isPathSegmentName(namespace, false))
  return errors
}

export function validateIpAddressUpdate(next: IPAddress, old: IPAddress): FieldError[] {
  const errors = validateIpAddress(next)
  const parent = next.spec?.parentRef
  checkImmutable(errors, 'spec.parentRef', parent, old.spec?.parentRef, goInternal('networking.v1.ParentReference', parent))
  return errors
}

function cidrErrors(cidr: string): string[] {
  const broken = isValidCidr(cidr)
  if (broken.length > 0) return broken
  const canonical = canonicalCidr(cidr)
  return canonical === cidr ? [] : [`must be in canonical form ("${canonical}")`]
}

export function validateServiceCidr({ spec }: ServiceCIDR): FieldError[] {
  const cidrs = spec?.cidrs ?? []
  const path = 'spec.cidrs'
  if (cidrs.length === 0) return [required(path, 'at least one CIDR required')]
  if (cidrs.length > 2) return [invalid(path, { CIDRs: cidrs }, 'may only hold up to 2 values')]
  const errors: FieldError[] = []
  cidrs.forEach((cidr, i) => check(errors, `${path}[${i}]`, cidr, cidrErrors(cidr)))
  const [first = '', second] = cidrs
  if (errors.length === 0 && second !== undefined && first.includes(':') === second.includes(':')) {
    errors.push(invalid(path, cidrs, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64'))
  }
  return errors
}

/** A second family may be added, nothing else changes. */
export function validateServiceCidrUpdate(next: ServiceCIDR, old: ServiceCIDR): FieldError[] {
  const [now, before] = [next.spec?.cidrs ?? [], old.spec?.cidrs ?? []]
  const isAddition = before.length === 1 && now.length === 2
  if (now.length !== before.length && !isAddition) return [invalid('spec.cidrs', next.spec && asGiven(next.spec, 'cidrs'), IMMUTABLE)]
  const changed = before.flatMap((cidr, i) => (cidr === now[i] ? [] : [invalid(`spec.cidrs[${i}]`, now[i], IMMUTABLE)]))
  return isAddition ? [...changed, ...validateServiceCidr(next)] : changed
}
