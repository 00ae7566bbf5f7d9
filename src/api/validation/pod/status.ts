/** A pod's status, which the kubelet and the scheduler write. */
import { check, duplicate, forbidden, IMMUTABLE, internalError, invalid, notSupported, required, tooLong } from '../fieldErrors.ts'
import { isIP, isIPv6 } from 'node:net'
import { isDns1123Label, isQualifiedName, isUnixId, isValidIp, nameIsDnsSubdomain } from '../names.ts'
import { nanosOf } from '../quantities.ts'
import { isNativeResource } from '../resourceNames.ts'
import type {
  Container,
  ContainerStatus,
  Pod,
  PodCondition,
  PodExtendedResourceClaimStatus,
  PodSpec,
  PodStatus,
} from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'

const SYSTEM_CONDITIONS = new Set(['PodScheduled', 'Ready', 'Initialized'])

function checkConditions(errors: FieldError[], conditions: readonly PodCondition[], path: string): void {
  for (const [i, { type, observedGeneration = 0 }] of conditions.entries()) {
    if (observedGeneration < 0)
      errors.push(invalid(`${path}[${i}].observedGeneration`, observedGeneration, 'must be a non-negative integer'))
    if (!SYSTEM_CONDITIONS.has(type)) check(errors, `${path}[${i}].Type`, type, isQualifiedName(type))
  }
}

/** Whether a container that ended with this code may run again. */
function mayRestart(container: Container, podPolicy: string | undefined, exitCode: number): boolean {
  for (const { action, exitCodes } of container.restartPolicyRules ?? []) {
    if (!exitCodes || (action !== 'Restart' && action !== 'RestartAllContainers')) continue
    const listed = exitCodes.values?.includes(exitCode) ?? false
    if (exitCodes.operator === 'In' ? listed : !listed) return true
  }
  const policy = container.restartPolicy ?? podPolicy
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)
}

function restartsAll(spec: PodSpec): boolean {
  return [...spec.containers, ...(spec.initContainers ?? [])].some(({ restartPolicyRules = [] }) =>
    restartPolicyRules.some(({ action }) => action === 'RestartAllContainers'),
  )
}

/** A container that has ended for good does not come back. */
function checkTransitions(
  errors: FieldError[],
  next: readonly ContainerStatus[],
  old: readonly ContainerStatus[],
  mayComeBack: (name: string, exitCode: number) => boolean,
  path: string,
): void {
  for (const [i, { name, state }] of old.entries()) {
    if (!state?.terminated) continue
    const now = next.find((status) => status.name === name)
    if (!now || now.state?.terminated || mayComeBack(name, state.terminated.exitCode)) continue
    errors.push(forbidden(`${path}[${i}].state`, 'may not be transitioned to non-terminated state'))
  }
}

function checkAllTransitions(errors: FieldError[], next: PodStatus, old: PodStatus, spec: PodSpec): void {
  const among =
    (containers: readonly Container[] = []) =>
    (name: string, exitCode: number): boolean => {
      const container = containers.find((one) => one.name === name)
      return restartsAll(spec) || (container !== undefined && mayRestart(container, spec.restartPolicy, exitCode))
    }
  checkTransitions(errors, next.containerStatuses ?? [], old.containerStatuses ?? [], among(spec.containers), 'status.containerStatuses')
  const ofInit = among(spec.initContainers)
  checkTransitions(errors, next.initContainerStatuses ?? [], old.initContainerStatuses ?? [], ofInit, 'status.initContainerStatuses')
  checkTransitions(
    errors,
    next.ephemeralContainerStatuses ?? [],
    old.ephemeralContainerStatuses ?? [],
    () => false,
    'status.ephemeralContainerStatuses',
  )
}

function checkClaimStatuses(errors: FieldError[], { resourceClaimStatuses = [] }: PodStatus, { resourceClaims = [] }: PodSpec): void {
  const seen = new Set<string>()
  for (const [i, { name, resourceClaimName }] of resourceClaimStatuses.entries()) {
    const at = `status.resourceClaimStatuses[${i}]`
    if (!resourceClaims.some((claim) => claim.name === name))
      errors.push(invalid(`${at}.name`, name, 'must match the name of an entry in `spec.resourceClaims`'))
    if (seen.has(name)) errors.push(duplicate(`${at}.name`, name))
    seen.add(name)
    if (resourceClaimName !== undefined)
      check(errors, `${at}.resourceClaimName`, resourceClaimName, nameIsDnsSubdomain(resourceClaimName, false))
  }
}

const UNKNOWN_REQUEST =
  'must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests'
const UNKNOWN_CONTAINER = 'must match the name of an entry in spec.initContainers.name or spec.containers.name'

function checkExtendedClaim(errors: FieldError[], status: PodExtendedResourceClaimStatus, spec: PodSpec, path: string): void {
  const containers = new Map([...(spec.initContainers ?? []), ...(spec.containers ?? [])].map((container) => [container.name, container]))
  const mappings = status.requestMappings ?? []
  if (mappings.length === 0) errors.push(required(`${path}.requestMappings`, 'at least one request mapping is required'))
  const seen = new Set<string>()
  for (const [i, { containerName, resourceName, requestName }] of mappings.entries()) {
    const at = `${path}.requestMappings[${i}]`
    const container = containers.get(containerName)
    if (!container) errors.push(invalid(`${at}.containerName`, containerName, UNKNOWN_CONTAINER))
    else if (container.resources?.requests?.[resourceName] === undefined)
      errors.push(invalid(`${at}.resourceName`, resourceName, UNKNOWN_REQUEST))
    check(errors, `${path}.requestName`, requestName, isDns1123Label(requestName))
    const key = `${containerName}\0${resourceName}\0${requestName}`
    if (seen.has(key)) {
      errors.push(
        duplicate(`${at}.containerName`, containerName),
        duplicate(`${at}.resourceName`, resourceName),
        duplicate(`${at}.requestName`, requestName),
      )
    }
    seen.add(key)
  }
  if (!status.resourceClaimName) errors.push(required(`${path}.resourceClaimName`))
  else check(errors, `${path}.resourceClaimName`, status.resourceClaimName, nameIsDnsSubdomain(status.resourceClaimName, false))
}

function checkNodeClaims(errors: FieldError[], status: PodStatus, { resourceClaims = [] }: PodSpec): void {
  for (const [i, { resourceClaimName, containers = [], ...rest }] of (status.nodeAllocatableResourceClaimStatuses ?? []).entries()) {
    const resources = rest.resources ?? {}
    const at = `status.nodeAllocatableResourceClaimStatuses[${i}]`
    if (!resourceClaimName) errors.push(required(`${at}.resourceClaimName`, 'must not be empty'))
    const known = [...resourceClaims, ...(status.resourceClaimStatuses ?? [])].some(
      (claim) => claim.resourceClaimName === resourceClaimName,
    )
    if (!known) errors.push(invalid(`${at}.resourceClaimName`, resourceClaimName, 'no mapping found in pod reference'))
    if (containers.length === 0) errors.push(required(`${at}.containers`, 'must not be empty'))
    if (Object.keys(resources).length === 0) errors.push(required(`${at}.resources`, 'must not be empty'))
    for (const [name, quantity] of Object.entries(resources)) {
      if (!isNativeResource(name)) errors.push(invalid(`${at}.resources[${name}]`, name, 'must be a node allocatable resource name'))
      if (nanosOf(quantity) < 0n) errors.push(invalid(`${at}.resources[${name}]`, quantity, 'must be non-negative'))
    }
  }
}

/** At most one address of each family. */
function checkAddresses(errors: FieldError[], next: readonly { ip: string }[], old: readonly { ip: string }[], path: string): void {
  for (const [i, { ip }] of next.entries()) if (!old.some((other) => other.ip === ip)) check(errors, `${path}[${i}]`, ip, isValidIp(ip))
  if (next.length < 2) return
  const strange = next.findIndex(({ ip }) => !isIP(ip))
  if (strange >= 0)
    errors.push(internalError(path, `failed to check for dual stack with error:invalid IP[${strange}]: ${next[strange]?.ip}`))
  const families = next.map(({ ip }) => isIPv6(ip))
  if (strange < 0 && next.length === 2 && families[0] !== families[1]) return
  errors.push(
    invalid(
      path,
      next.map(({ ip }) => ({ IP: ip })),
      'may specify no more than one IP for each IP family',
    ),
  )
}

function checkUsers(errors: FieldError[], statuses: readonly ContainerStatus[], isWindows: boolean, path: string): void {
  for (const [i, { user }] of statuses.entries()) {
    const linux = user?.linux
    const at = `${path}[${i}].user.linux`
    if (!linux) continue
    if (isWindows) {
      errors.push(forbidden(at, 'cannot be set for a windows pod'))
      continue
    }
    check(errors, `${at}.uid`, linux.uid, isUnixId(linux.uid))
    check(errors, `${at}.gid`, linux.gid, isUnixId(linux.gid))
    linux.supplementalGroups?.forEach((id, j) => check(errors, `${at}.supplementalGroups[${j}]`, id, isUnixId(id)))
  }
}

const HEALTH = ['Healthy', 'Unhealthy', 'Unknown']
const HEALTH_MESSAGE_LIMIT_BYTES = 1024

function isRequested(name: string, { resources }: Container): boolean {
  if (!name.startsWith('claim:')) return resources?.requests?.[name] !== undefined
  return (resources?.claims ?? []).some((claim) => `claim:${claim.name}${claim.request ? `/${claim.request}` : ''}` === name)
}

function checkHealth(errors: FieldError[], statuses: readonly ContainerStatus[], containers: readonly Container[], path: string): void {
  for (const [i, { name, allocatedResourcesStatus = [] }] of statuses.entries()) {
    const container = containers.find((one) => one.name === name)
    for (const [j, allocated] of allocatedResourcesStatus.entries()) {
      const at = `${path}[${i}].allocatedResourcesStatus[${j}]`
      if (container && !isRequested(allocated.name, container)) {
        const claim =
          "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty"
        errors.push(
          invalid(
            `${at}.name`,
            allocated.name,
            allocated.name.startsWith('claim:') ? claim : "must match one of the container's resource requests",
          ),
        )
      }
      const seen = new Set<string>()
      for (const [k, { health = '', message, resourceID }] of (allocated.resources ?? []).entries()) {
        const field = `${at}.resources[${k}]`
        if (!HEALTH.includes(health)) errors.push(notSupported(`${field}.health`, health, HEALTH))
        if (message === '') errors.push(required(`${field}.message`, 'must be non-empty if specified'))
        else if (Buffer.byteLength(message ?? '') > HEALTH_MESSAGE_LIMIT_BYTES)
          errors.push(tooLong(`${field}.message`, HEALTH_MESSAGE_LIMIT_BYTES))
        if (seen.has(resourceID)) errors.push(duplicate(`${field}.resourceID`, resourceID))
        seen.add(resourceID)
      }
    }
  }
}

function checkNominatedNode(errors: FieldError[], { status: next = {} }: Pod, { status: old = {}, spec }: Pod): void {
  const name = next.nominatedNodeName
  if (!name || name === old.nominatedNodeName) return
  check(errors, 'status.nominatedNodeName', name, nameIsDnsSubdomain(name, false))
  if (spec.nodeName) errors.push(forbidden('status.nominatedNodeName', 'may not be set on pods that are already bound to a node'))
}

export function checkPodStatus(errors: FieldError[], next: Pod, old: Pod): void {
  const { status = {}, spec } = next
  const before = old.status ?? {}
  checkConditions(errors, status.conditions ?? [], 'status.conditions')
  if ((spec.nodeName ?? '') !== (old.spec.nodeName ?? '')) errors.push(forbidden('status.nodeName', 'may not be changed directly'))
  checkNominatedNode(errors, next, old)
  if ((status.observedGeneration ?? 0) < 0)
    errors.push(invalid('status.observedGeneration', status.observedGeneration, 'must be a non-negative integer'))
  if ((status.qosClass ?? '') !== (before.qosClass ?? '')) errors.push(invalid('status.qosClass', status.qosClass ?? '', IMMUTABLE))
  checkAllTransitions(errors, status, before, old.spec)
  checkClaimStatuses(errors, status, spec)
  if (status.extendedResourceClaimStatus)
    checkExtendedClaim(errors, status.extendedResourceClaimStatus, spec, 'status.extendedResourceClaimStatus')
  checkNodeClaims(errors, status, spec)
  checkAddresses(errors, status.podIPs ?? [], before.podIPs ?? [], 'status.podIPs')
  const hostIP = status.hostIPs?.[0]?.ip
  if (hostIP !== undefined && hostIP !== (status.hostIP ?? ''))
    errors.push(invalid('status.hostIPs[0].ip', hostIP, 'must be equal to `hostIP`'))
  checkAddresses(errors, status.hostIPs ?? [], before.hostIPs ?? [], 'status.hostIPs')
  for (const field of ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const) {
    checkUsers(errors, status[field] ?? [], spec.os?.name === 'windows', `status.${field}`)
  }
  checkHealth(errors, status.containerStatuses ?? [], spec.containers, 'status.containerStatuses')
  checkHealth(errors, status.initContainerStatuses ?? [], spec.initContainers ?? [], 'status.initContainerStatuses')
  for (const [i, { allocatedResourcesStatus = [] }] of (status.ephemeralContainerStatuses ?? []).entries()) {
    if (allocatedResourcesStatus.length === 0) continue
    errors.push(forbidden(`status.ephemeralContainerStatuses[${i}].allocatedResourcesStatus`, 'must not be specified in container status'))
  }
}
