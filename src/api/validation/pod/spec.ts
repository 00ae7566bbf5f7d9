/** A pod's spec, in a pod or in a template of pods (pkg/apis/core/validation's ValidatePodSpec). */
import { check, duplicate, forbidden, invalid, required, tooLong } from '../fieldErrors.ts'
import {
  isDns1123Label,
  isDns1123Subdomain,
  isDns1123SubdomainWithUnderscore,
  isQualifiedName,
  isValidIp,
  nameIsDnsSubdomain,
} from '../names.ts'
import { validateLabels } from '../objectMeta.ts'
import { checkOneOf } from '../values.ts'
import { checkContainers, checkEphemeralContainers, checkInitContainers } from './containers.ts'
import { checkFileKeyVolumes } from './env.ts'
import { checkOverhead, checkPodResources } from './resources.ts'
import { checkAffinity, checkSchedulingGates, checkTolerations, checkTopologySpread } from './scheduling.ts'
import { checkHostUsers, checkOs, checkPodSecurityContext } from './security.ts'
import { checkVolumes } from './volumes.ts'
import { checkHostProcess } from './windows.ts'
import type { PodDNSConfig, PodResourceClaim, PodSpec } from '../../kinds/core/v1.ts'
import type { ObjectMeta } from '../../kinds/meta/v1.ts'
import type { FieldError } from '../../status.ts'
import type { PodScope } from './scope.ts'

const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror'
const MAX_INT32 = 2_147_483_647

function checkClaim(errors: FieldError[], claim: PodResourceClaim, seen: Set<string>, path: string): void {
  const { name, resourceClaimName, resourceClaimTemplateName } = claim
  if (!name) errors.push(required(`${path}.name`))
  else if (seen.has(name)) errors.push(duplicate(`${path}.name`, name))
  else {
    check(errors, `${path}.name`, name, isDns1123Label(name))
    seen.add(name)
  }
  const shown = { Name: name, ResourceClaimName: resourceClaimName ?? null, ResourceClaimTemplateName: resourceClaimTemplateName ?? null }
  if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined) {
    errors.push(invalid(path, shown, 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified'))
  }
  if (resourceClaimName === undefined && resourceClaimTemplateName === undefined) {
    errors.push(invalid(path, shown, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'))
  }
  for (const [field, value] of Object.entries({ resourceClaimName, resourceClaimTemplateName })) {
    if (value !== undefined) check(errors, `${path}.${field}`, value, nameIsDnsSubdomain(value, false))
  }
}

function checkResourceClaims(
  errors: FieldError[],
  claims: readonly PodResourceClaim[],
  meta: Partial<ObjectMeta> | undefined,
  path: string,
): void {
  const seen = new Set<string>()
  const isMirror = meta?.annotations?.[MIRROR_ANNOTATION] !== undefined
  claims.forEach((claim, i) => {
    if (isMirror) errors.push(forbidden('', 'static pods do not support resource claims'))
    else checkClaim(errors, claim, seen, `${path}[${i}]`)
  })
}

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never']
const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const PREEMPTION_POLICIES = ['PreemptLowerPriority', 'Never']

const NAMESERVERS_LIMIT = 3
const SEARCHES_LIMIT = 32
const SEARCH_LIST_LIMIT = 2048

function checkDns(errors: FieldError[], config: PodDNSConfig | undefined, policy: string | undefined, path: string): void {
  if (policy === 'None') {
    if (!config) return void errors.push(required(path, 'must provide `dnsConfig` when `dnsPolicy` is None'))
    if (!config.nameservers?.length)
      return void errors.push(required(`${path}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'))
  }
  if (!config) return
  const { nameservers = [], searches = [], options = [] } = config
  if (nameservers.length > NAMESERVERS_LIMIT)
    errors.push(invalid(`${path}.nameservers`, nameservers, `must not have more than ${NAMESERVERS_LIMIT} nameservers`))
  nameservers.forEach((address, i) => check(errors, `${path}.nameservers[${i}]`, address, isValidIp(address)))
  if (searches.length > SEARCHES_LIMIT)
    errors.push(invalid(`${path}.searches`, searches, `must not have more than ${SEARCHES_LIMIT} search paths`))
  if (Buffer.byteLength(searches.join(' ')) > SEARCH_LIST_LIMIT) {
    errors.push(
      invalid(
        `${path}.searches`,
        searches,
        `must not have more than ${SEARCH_LIST_LIMIT} characters (including spaces) in the search list`,
      ),
    )
  }
  for (const [i, search] of searches.entries()) {
    const domain = search.endsWith('.') ? search.slice(0, -1) : search
    if (search !== '.') check(errors, `${path}.searches[${i}]`, domain, isDns1123SubdomainWithUnderscore(domain))
  }
  options.forEach(({ name }, i) => {
    if (!name) errors.push(required(`${path}.options[${i}]`, 'must not be empty'))
  })
}

/** With the host's network, a port of the container is a port of the host. */
function checkHostNetworkPorts({ errors, spec, isPod }: PodScope, path: string): void {
  if (!spec.hostNetwork) return
  for (const [c, { ports = [] }] of (spec.containers ?? []).entries()) {
    for (const [p, { hostPort = 0, containerPort = 0 }] of ports.entries()) {
      if ((!isPod && hostPort === 0) || hostPort === containerPort) continue
      errors.push(
        invalid(`${path}.containers[${c}].ports[${p}].hostPort`, hostPort, 'must match `containerPort` when `hostNetwork` is true'),
      )
    }
  }
}

const HOSTNAME_OVERRIDE_LIMIT_BYTES = 64

function checkHostnameOverride(errors: FieldError[], spec: PodSpec, path: string): void {
  const { hostnameOverride } = spec
  if (hostnameOverride === undefined) return
  if (spec.setHostnameAsFQDN) errors.push(forbidden(path, 'may not be specified when setHostnameAsFQDN is true'))
  if (spec.hostNetwork) errors.push(forbidden(path, 'may not be specified when hostNetwork is true'))
  if (Buffer.byteLength(hostnameOverride) > HOSTNAME_OVERRIDE_LIMIT_BYTES) errors.push(tooLong(path, HOSTNAME_OVERRIDE_LIMIT_BYTES))
  check(errors, path, hostnameOverride, isDns1123Subdomain(hostnameOverride))
}

function checkIdentity({ errors, spec }: PodScope, path: string): void {
  const { serviceAccountName, nodeName, activeDeadlineSeconds: deadline, hostname, subdomain } = spec
  if (serviceAccountName) check(errors, `${path}.serviceAccountName`, serviceAccountName, nameIsDnsSubdomain(serviceAccountName, false))
  if (nodeName) check(errors, `${path}.nodeName`, nodeName, nameIsDnsSubdomain(nodeName, false))
  if (deadline !== undefined && (deadline < 1 || deadline > MAX_INT32)) {
    errors.push(invalid(`${path}.activeDeadlineSeconds`, deadline, `must be between 1 and ${MAX_INT32}, inclusive`))
  }
  if (hostname) check(errors, `${path}.hostname`, hostname, isDns1123Label(hostname))
  if (subdomain) check(errors, `${path}.subdomain`, subdomain, isDns1123Label(subdomain))
  if (spec.tolerations) checkTolerations(errors, spec.tolerations, `${path}.tolerations`)
  for (const [i, { ip, hostnames = [] }] of (spec.hostAliases ?? []).entries()) {
    check(errors, `${path}.hostAliases[${i}].ip`, ip, isValidIp(ip))
    hostnames.forEach((name, j) => check(errors, `${path}.hostAliases[${i}].hostnames[${j}]`, name, isDns1123Subdomain(name)))
  }
}

function checkClasses({ errors, spec }: PodScope, path: string): void {
  const { priorityClassName, runtimeClassName, preemptionPolicy, overhead, schedulingGroup } = spec
  if (priorityClassName) check(errors, `${path}.priorityClassName`, priorityClassName, nameIsDnsSubdomain(priorityClassName, false))
  if (runtimeClassName !== undefined)
    check(errors, `${path}.runtimeClassName`, runtimeClassName, nameIsDnsSubdomain(runtimeClassName, false))
  if (preemptionPolicy !== undefined) checkOneOf(errors, `${path}.preemptionPolicy`, preemptionPolicy, PREEMPTION_POLICIES)
  if (overhead) checkOverhead(errors, overhead, `${path}.overhead`)
  checkOs(errors, spec, path)
  if (!schedulingGroup) return
  const { podGroupName } = schedulingGroup
  const field = `${path}.schedulingGroup.podGroupName`
  if (podGroupName === undefined) errors.push(invalid(field, null, 'must specify one of: `podGroupName`'))
  else check(errors, field, podGroupName, nameIsDnsSubdomain(podGroupName, false))
}

/** `meta` is the pod's own; a template's pods have no names yet. */
export function checkPodSpec(
  errors: FieldError[],
  spec: PodSpec,
  meta: Partial<ObjectMeta> | undefined,
  isPod: boolean,
  path: string,
): void {
  if (spec.terminationGracePeriodSeconds === undefined) errors.push(required(`${path}.terminationGracePeriodSeconds`))
  const volumes = checkVolumes(errors, spec.volumes ?? [], meta, isPod, `${path}.volumes`)
  const claimNames = new Set((spec.resourceClaims ?? []).map(({ name }) => name).filter(Boolean))
  const scope: PodScope = { errors, spec, volumes, claimNames, isPod }
  if (spec.resourceClaims) checkResourceClaims(errors, spec.resourceClaims, meta, `${path}.resourceClaims`)
  checkContainers(scope, `${path}.containers`)
  checkInitContainers(scope, `${path}.initContainers`)
  checkEphemeralContainers(scope, `${path}.ephemeralContainers`)
  checkPodResources(errors, spec, claimNames, `${path}.resources`)
  checkHostNetworkPorts(scope, path)
  checkOneOf(errors, `${path}.restartPolicy`, spec.restartPolicy, RESTART_POLICIES)
  checkOneOf(errors, `${path}.dnsPolicy`, spec.dnsPolicy, DNS_POLICIES)
  if (spec.nodeSelector) errors.push(...validateLabels(spec.nodeSelector, `${path}.nodeSelector`))
  if (spec.shareProcessNamespace && spec.hostPID) {
    errors.push(invalid(`${path}.securityContext.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled'))
  }
  if (spec.securityContext) checkPodSecurityContext(errors, spec.securityContext, spec, `${path}.securityContext`)
  if (spec.affinity) checkAffinity(errors, spec.affinity, `${path}.affinity`)
  checkDns(errors, spec.dnsConfig, spec.dnsPolicy, `${path}.dnsConfig`)
  spec.readinessGates?.forEach(({ conditionType }, i) =>
    check(errors, `${path}.readinessGates[${i}].conditionType`, conditionType, isQualifiedName(conditionType)),
  )
  if (spec.schedulingGates) checkSchedulingGates(errors, spec.schedulingGates, `${path}.schedulingGates`)
  if (spec.topologySpreadConstraints) checkTopologySpread(errors, spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`)
  checkHostProcess(errors, spec, path)
  checkHostUsers(errors, spec, path)
  checkHostnameOverride(errors, spec, `${path}.hostnameOverride`)
  checkIdentity(scope, path)
  checkClasses(scope, path)
  checkFileKeyVolumes(errors, spec, path)
}
