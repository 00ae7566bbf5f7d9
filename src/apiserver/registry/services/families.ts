/**
 * Which IP families a Service has: what the client left out is filled in from its addresses, its policy and what the cluster
 * has (pkg/registry/core/service/storage: initIPFamilyFields, with its messages). Addresses are given out afterwards.
 */
import { familyOf, type IpFamilyName } from '../../../base/ipFamily.ts'
import { newInvalid } from '../../../api/status.ts'
import { invalid } from '../../../api/validation/fieldErrors.ts'
import { validateServiceFamilies } from '../../../api/validation/service.ts'
import type { Service, ServiceSpec } from '../../../api/kinds/core/v1.ts'
import type { FieldError } from '../../../api/status.ts'

const TYPES_WITH_ADDRESS: readonly (string | undefined)[] = ['ClusterIP', 'NodePort', 'LoadBalancer']

const same = (a: readonly string[] = [], b: readonly string[] = []): boolean => a.length === b.length && a.every((item, i) => item === b[i])

/** Named, but fewer than there were. */
const isReduced = (now: readonly string[], before: readonly string[] = []): boolean => now.length > 0 && now.length < before.length

const other = (family: string): IpFamilyName => (family === 'IPv6' ? 'IPv4' : 'IPv6')

/** A PreferDualStack service that nobody touched stays as it is when the cluster gets or loses a family. */
function isUntouched(spec: ServiceSpec, before: ServiceSpec | undefined): boolean {
  if (!before || spec.ipFamilyPolicy !== 'PreferDualStack' || spec.type !== before.type || !TYPES_WITH_ADDRESS.includes(spec.type))
    return false
  if (before.ipFamilyPolicy !== undefined && before.ipFamilyPolicy !== 'PreferDualStack') return false
  return spec.clusterIP === before.clusterIP && same(spec.clusterIPs, before.clusterIPs) && same(spec.ipFamilies, before.ipFamilies)
}

const isHeadlessWithoutSelector = ({ clusterIP, selector }: ServiceSpec): boolean =>
  clusterIP === 'None' && Object.keys(selector ?? {}).length === 0

function defaultPolicy(spec: ServiceSpec, before: ServiceSpec | undefined): string {
  return spec.ipFamilyPolicy ?? before?.ipFamilyPolicy ?? (isHeadlessWithoutSelector(spec) ? 'RequireDualStack' : 'SingleStack')
}

/** Turning to SingleStack lets go of the second of everything; to take one away otherwise is refused. */
function reduce(errors: FieldError[], spec: ServiceSpec, before: ServiceSpec): void {
  const { ipFamilyPolicy, clusterIPs = [], ipFamilies = [] } = spec
  if (ipFamilyPolicy === 'SingleStack') {
    if (clusterIPs.length > 1 && same(clusterIPs, before.clusterIPs)) spec.clusterIPs = clusterIPs.slice(0, 1)
    if (ipFamilies.length > 1 && same(ipFamilies, before.ipFamilies)) spec.ipFamilies = ipFamilies.slice(0, 1)
    return
  }
  const refuse = (what: string): void => {
    errors.push(invalid('spec.ipFamilyPolicy', ipFamilyPolicy ?? null, `must be 'SingleStack' to release the secondary ${what}`))
  }
  if (isReduced(clusterIPs, before.clusterIPs)) refuse('cluster IP')
  if (isReduced(ipFamilies, before.ipFamilies)) refuse('IP family')
}

/** As far as the addresses tell. */
function inferFamilies(errors: FieldError[], spec: ServiceSpec, families: readonly IpFamilyName[]): void {
  const { clusterIPs = [] } = spec
  const refuse = (what: string): void => {
    const text = `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`
    errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy ?? null, text))
  }
  if (spec.ipFamilyPolicy === 'SingleStack') {
    if (clusterIPs.length === 2) refuse('cluster IPs')
    if (spec.ipFamilies?.length === 2) refuse('IP families')
  }
  for (const [i, ip] of clusterIPs.entries()) {
    if (ip === 'None') break
    if (i < (spec.ipFamilies?.length ?? 0)) continue
    const family = familyOf(ip).name
    if (families.includes(family)) spec.ipFamilies = [...(spec.ipFamilies ?? []), family]
    else errors.push(invalid(`spec.clusterIPs[${i}]`, clusterIPs, `${family} is not configured on this cluster`))
  }
}

function throwInvalid({ metadata }: Service, errors: FieldError[]): void {
  if (errors.length > 0) throw newInvalid({ group: '', kind: 'Service' }, metadata.name ?? '', errors)
}

/** `families` are the cluster's, its first one first. Throws what is invalid. */
export function initFamilies(next: Service, old: Service | undefined, families: readonly IpFamilyName[]): void {
  const { spec } = next
  const before = old?.spec
  if (spec.type === 'ExternalName' || isUntouched(spec, before)) return
  spec.ipFamilyPolicy = defaultPolicy(spec, before)
  throwInvalid(next, validateServiceFamilies(spec, before))
  const errors: FieldError[] = []
  if (before) reduce(errors, spec, before)
  inferFamilies(errors, spec, families)
  throwInvalid(next, errors)
  const first = families[0] ?? 'IPv4'
  const wantsTwo = spec.ipFamilyPolicy !== 'SingleStack'
  if (isHeadlessWithoutSelector(spec)) {
    // Whoever writes its endpoints may use a family that the cluster does not have.
    const own = spec.ipFamilies?.length ? spec.ipFamilies : [first]
    spec.ipFamilies = own.length === 1 && wantsTwo ? [...own, other(own[0] as string)] : own
    return
  }
  if (spec.ipFamilyPolicy === 'RequireDualStack' && families.length < 2)
    errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services'))
  for (const [i, family] of (spec.ipFamilies ?? []).entries())
    if (!families.includes(family as IpFamilyName)) errors.push(invalid(`spec.ipFamilies[${i}]`, family, 'not configured on this cluster'))
  throwInvalid(next, errors)
  const own = spec.ipFamilies?.length ? spec.ipFamilies : [first]
  spec.ipFamilies = own.length === 1 && wantsTwo && families.length === 2 ? [...own, other(own[0] as string)] : own
}
