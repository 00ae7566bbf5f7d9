/** PodSpec as a whole, in pods and in templates. */
import { duplicate, forbidden, invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { validateContainers, validateEphemeralContainers, validateInitContainers } from './containers.ts'
import { validateResourceRequirements } from './containerResources.ts'
import { isDns1123Label, isDns1123Subdomain, isQualifiedName, isValidIp, nameIsDnsSubdomain } from './names.ts'
import { validateAnnotations, validateLabels } from './objectMeta.ts'
import { validateAffinity, validateNodeSelectorMap, validateTolerations, validateTopologySpread } from './podPlacement.ts'
import { validatePodSecurityContext } from './podSecurityContext.ts'
import { validateVolumes } from './podVolumes.ts'
import type { PodDNSConfig, PodSpec, PodTemplateSpec } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const NAMESERVERS_LIMIT = 3
const SEARCHES_LIMIT = 32
const SEARCH_CHARACTERS_LIMIT = 2_048

function validateDnsConfig(config: PodDNSConfig | undefined, policy: string | undefined, path: string): FieldError[] {
  if (policy === 'None') {
    if (!config) return [required(path, 'must provide `dnsConfig` when `dnsPolicy` is None')]
    if (!config.nameservers?.length) return [required(`${path}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None')]
  }
  if (!config) return []
  const { nameservers = [], searches = [], options = [] } = config
  const errors: FieldError[] = []
  if (nameservers.length > NAMESERVERS_LIMIT) errors.push(invalid(`${path}.nameservers`, nameservers, `must not have more than ${NAMESERVERS_LIMIT} nameservers`))
  for (const [i, server] of nameservers.entries()) errors.push(...invalidAll(`${path}.nameservers[${i}]`, server, isValidIp(server)))
  if (searches.length > SEARCHES_LIMIT) errors.push(invalid(`${path}.searches`, searches, `must not have more than ${SEARCHES_LIMIT} search paths`))
  if (searches.join(' ').length > SEARCH_CHARACTERS_LIMIT) {
    errors.push(invalid(`${path}.searches`, searches, `must not have more than ${SEARCH_CHARACTERS_LIMIT} characters (including spaces) in the search list`))
  }
  for (const [i, search] of searches.entries()) {
    if (search === '.') continue
    const name = search.replace(/\.$/, '').split('.').map((part) => part.replaceAll('_', 'a')).join('.')
    errors.push(...invalidAll(`${path}.searches[${i}]`, search, isDns1123Subdomain(name)))
  }
  for (const [i, option] of options.entries()) if (!option.name) errors.push(required(`${path}.options[${i}]`, 'must not be empty'))
  return errors
}

function validateHosts(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (spec.hostname) errors.push(...invalidAll(`${path}.hostname`, spec.hostname, isDns1123Label(spec.hostname)))
  if (spec.subdomain) errors.push(...invalidAll(`${path}.subdomain`, spec.subdomain, isDns1123Label(spec.subdomain)))
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    errors.push(...invalidAll(`${path}.hostAliases[${i}].ip`, alias.ip, isValidIp(alias.ip)))
    for (const [j, hostname] of (alias.hostnames ?? []).entries()) {
      errors.push(...invalidAll(`${path}.hostAliases[${i}].hostnames[${j}]`, hostname, isDns1123Subdomain(hostname)))
    }
  }
  return errors
}

function validateGates(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [i, { conditionType }] of (spec.readinessGates ?? []).entries()) {
    errors.push(...invalidAll(`${path}.readinessGates[${i}].conditionType`, conditionType, isQualifiedName(conditionType)))
  }
  const seen = new Set<string>()
  for (const [i, { name }] of (spec.schedulingGates ?? []).entries()) {
    const at = `${path}.schedulingGates[${i}]`
    errors.push(...invalidAll(at, name, isQualifiedName(name)))
    if (seen.has(name)) errors.push(duplicate(at, name))
    seen.add(name)
  }
  return errors
}

function validateNames(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  const check = (field: 'serviceAccountName' | 'nodeName' | 'priorityClassName' | 'runtimeClassName'): void => {
    const name = spec[field]
    if (name) errors.push(...invalidAll(`${path}.${field}`, name, nameIsDnsSubdomain(name, false)))
  }
  check('serviceAccountName')
  check('nodeName')
  if (spec.activeDeadlineSeconds !== undefined && (spec.activeDeadlineSeconds < 1 || spec.activeDeadlineSeconds > 2_147_483_647)) {
    errors.push(invalid(`${path}.activeDeadlineSeconds`, spec.activeDeadlineSeconds, 'must be between 1 and 2147483647, inclusive'))
  }
  check('priorityClassName')
  check('runtimeClassName')
  return errors
}

function validateHostUsers(spec: PodSpec, path: string): FieldError[] {
  if (spec.hostUsers !== false) return []
  return (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field]).map((field) => forbidden(`${path}.${field}`, 'when `hostUsers` is false'))
}

export interface PodSpecRules {
  /** A pod's own spec, not a template's. */
  isPod: boolean
}

export function validatePodSpec(given: PodSpec | undefined, path: string, _rules: PodSpecRules): FieldError[] {
  const spec = given ?? ({ containers: [] } as unknown as PodSpec)
  const context = {
    spec,
    volumes: new Map((spec.volumes ?? []).map((volume) => [volume.name, volume])),
    claims: new Set((spec.resourceClaims ?? []).map((claim) => claim.name)),
  }
  const errors = [
    ...validateVolumes(spec, `${path}.volumes`),
    ...validateContainers(context, `${path}.containers`),
    ...validateInitContainers(context, `${path}.initContainers`),
    ...validateEphemeralContainers(spec.ephemeralContainers ?? [], context, `${path}.ephemeralContainers`),
    ...(spec.resources ? validateResourceRequirements(spec.resources, `${path}.resources`) : []),
  ]
  if (!spec.restartPolicy) errors.push(required(`${path}.restartPolicy`))
  else if (!['Always', 'OnFailure', 'Never'].includes(spec.restartPolicy)) errors.push(notSupported(`${path}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']))
  if (!spec.dnsPolicy) errors.push(required(`${path}.dnsPolicy`))
  else if (!DNS_POLICIES.includes(spec.dnsPolicy)) errors.push(notSupported(`${path}.dnsPolicy`, spec.dnsPolicy, DNS_POLICIES))
  errors.push(...validateNodeSelectorMap(spec, `${path}.nodeSelector`), ...validatePodSecurityContext(spec.securityContext, spec, `${path}.securityContext`))
  errors.push(...validateAffinity(spec.affinity, `${path}.affinity`), ...validateDnsConfig(spec.dnsConfig, spec.dnsPolicy, `${path}.dnsConfig`))
  errors.push(...validateGates(spec, path), ...validateTopologySpread(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`))
  errors.push(...validateHosts(spec, path), ...validateNames(spec, path), ...validateHostUsers(spec, path))
  errors.push(...validateTolerations(spec.tolerations, `${path}.tolerations`))
  if (spec.preemptionPolicy && !['Never', 'PreemptLowerPriority'].includes(spec.preemptionPolicy)) {
    errors.push(notSupported(`${path}.preemptionPolicy`, spec.preemptionPolicy, ['Never', 'PreemptLowerPriority']))
  }
  if (spec.os) {
    if (!spec.os.name) errors.push(required(`${path}.os.name`, 'cannot be empty'))
    else if (!['linux', 'windows'].includes(spec.os.name)) errors.push(notSupported(`${path}.os`, spec.os.name, ['linux', 'windows']))
  }
  return errors
}

/** A template's own part: labels and annotations go without `metadata` in their path, as upstream's. */
export function validatePodTemplateSpec(template: PodTemplateSpec | undefined, path: string): FieldError[] {
  const errors = [
    ...validateLabels(template?.metadata?.labels ?? {}, `${path}.labels`),
    ...validateAnnotations(template?.metadata?.annotations ?? {}, `${path}.annotations`),
    ...validatePodSpec(template?.spec, `${path}.spec`, { isPod: false }),
  ]
  if (template?.spec?.ephemeralContainers?.length) errors.push(forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'))
  return errors
}
