/** Containers of all three sorts: main, init and ephemeral ones. */
import { asGiven, hidesEmptyOnes } from '../../codec/goShape.ts'
import { check, duplicate, forbidden, invalid, notFound, notSupported, required, tooMany } from '../fieldErrors.ts'
import { isDns1123Label, isPortName, isPortNumber } from '../names.ts'
import { checkOneOf } from '../values.ts'
import { checkEnv, checkEnvFrom } from './env.ts'
import { checkLifecycle, checkProbes, forbidHooks } from './handlers.ts'
import { checkVolumeDevices, checkVolumeMounts } from './mounts.ts'
import { checkContainerResources } from './resources.ts'
import { isSidecar } from './scope.ts'
import { checkSecurityContext } from './security.ts'
import { PULL_POLICIES } from './volumes.ts'
import type { Container, ContainerPort, ContainerResizePolicy, ContainerRestartRule, EphemeralContainer } from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'
import type { AnyContainer, PodScope } from './scope.ts'

const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const MESSAGE_POLICIES = ['File', 'FallbackToLogsOnError']

function checkPorts(errors: FieldError[], ports: readonly ContainerPort[], path: string): void {
  const names = new Set<string>()
  for (const [i, { name, containerPort, hostPort, protocol }] of ports.entries()) {
    const at = `${path}[${i}]`
    if (name) {
      const broken = isPortName(name)
      check(errors, `${at}.name`, name, broken)
      if (broken.length === 0 && names.has(name)) errors.push(duplicate(`${at}.name`, name))
      if (broken.length === 0) names.add(name)
    }
    if (!containerPort) errors.push(required(`${at}.containerPort`))
    else check(errors, `${at}.containerPort`, containerPort, isPortNumber(containerPort))
    if (hostPort) check(errors, `${at}.hostPort`, hostPort, isPortNumber(hostPort))
    checkOneOf(errors, `${at}.protocol`, protocol, PROTOCOLS)
  }
}

const RESIZABLE = ['cpu', 'memory']
const RESIZE_POLICIES = ['NotRequired', 'RestartContainer']

function checkResizePolicy(
  errors: FieldError[],
  policies: readonly ContainerResizePolicy[],
  podRestartPolicy: string | undefined,
  path: string,
): void {
  const seen = new Set<string>()
  for (const [i, { resourceName, restartPolicy }] of policies.entries()) {
    if (seen.has(resourceName)) errors.push(duplicate(`${path}[${i}]`, resourceName))
    seen.add(resourceName)
    checkOneOf(errors, path, resourceName, RESIZABLE)
    checkOneOf(errors, path, restartPolicy, RESIZE_POLICIES)
    if (podRestartPolicy === 'Never' && restartPolicy !== 'NotRequired') {
      errors.push(invalid(path, restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
    }
  }
}

const RESTART_POLICIES = ['Always', 'Never', 'OnFailure']
const RESTART_ACTIONS = ['Restart', 'RestartAllContainers']
const RESTART_OPERATORS = ['In', 'NotIn']
const RULES_LIMIT = 20
const EXIT_CODES_LIMIT = 255

function checkRestartRule(errors: FieldError[], { action, exitCodes }: ContainerRestartRule, path: string): void {
  if (!RESTART_ACTIONS.includes(action)) errors.push(notSupported(`${path}.action`, action, RESTART_ACTIONS))
  if (!exitCodes) {
    errors.push(required(`${path}.exitCodes`, 'must be specified'))
    return
  }
  const { operator, values = [] } = exitCodes
  if (!RESTART_OPERATORS.includes(operator)) errors.push(notSupported(`${path}.exitCodes.operator`, operator, RESTART_OPERATORS))
  if (values.length > EXIT_CODES_LIMIT) errors.push(tooMany(`${path}.exitCodes.values`, values.length, EXIT_CODES_LIMIT))
}

/** A container's own policy stands above the pod's. */
function checkRestartPolicy(errors: FieldError[], { restartPolicy, restartPolicyRules: rules = [] }: AnyContainer, path: string): void {
  if (restartPolicy === undefined) {
    if (rules.length > 0) errors.push(required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used'))
    else return
  } else if (!RESTART_POLICIES.includes(restartPolicy)) errors.push(notSupported(`${path}.restartPolicy`, restartPolicy, RESTART_POLICIES))
  if (rules.length > RULES_LIMIT) errors.push(tooMany(`${path}.restartPolicyRules`, rules.length, RULES_LIMIT))
  rules.forEach((rule, i) => checkRestartRule(errors, rule, `${path}.restartPolicyRules[${i}]`))
}

/** Rules without a policy are not looked at further in what runs to its end. */
function checkInitRestartPolicy(errors: FieldError[], container: AnyContainer, path: string): void {
  const { restartPolicy, restartPolicyRules: rules = [] } = container
  if (restartPolicy !== undefined) checkRestartPolicy(errors, container, path)
  else if (rules.length > 0) errors.push(required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used'))
}

function checkCommon(scope: PodScope, container: AnyContainer, path: string): void {
  const { errors, spec } = scope
  const { name, image, ports, env, envFrom, resources, resizePolicy, securityContext } = container
  if (!name) errors.push(required(`${path}.name`))
  else check(errors, `${path}.name`, name, isDns1123Label(name))
  if (!image) errors.push(required(`${path}.image`))
  checkOneOf(errors, `${path}.terminationMessagePolicy`, container.terminationMessagePolicy, MESSAGE_POLICIES)
  if (ports) checkPorts(errors, ports, `${path}.ports`)
  if (env) checkEnv(errors, env, `${path}.env`)
  if (envFrom) checkEnvFrom(errors, envFrom, `${path}.envFrom`)
  checkVolumeMounts(errors, container, scope.volumes, `${path}.volumeMounts`)
  checkVolumeDevices(errors, container, scope.volumes, `${path}.volumeDevices`)
  checkOneOf(errors, `${path}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES)
  if (resources) checkContainerResources(errors, resources, scope.claimNames, `${path}.resources`)
  if (resizePolicy) checkResizePolicy(errors, resizePolicy, spec.restartPolicy, `${path}.resizePolicy`)
  if (securityContext) checkSecurityContext(errors, securityContext, spec, `${path}.securityContext`)
}

function checkHooks({ errors, spec }: PodScope, container: Container, path: string): void {
  const grace = spec.terminationGracePeriodSeconds
  if (container.lifecycle) checkLifecycle(errors, container.lifecycle, grace, spec.os, `${path}.lifecycle`)
  checkProbes(errors, container, grace, path)
}

/** Two containers of a pod share its address, so they can't share a port of the host. */
function checkHostPorts(errors: FieldError[], containers: readonly Container[], path: string): void {
  const taken = new Set<string>()
  for (const [c, container] of containers.entries()) {
    for (const [p, { hostPort, hostIP = '', protocol = '' }] of (container.ports ?? []).entries()) {
      if (!hostPort) continue
      const key = `${protocol}/${hostIP}/${hostPort}`
      if (taken.has(key)) errors.push(duplicate(`${path}[${c}].ports[${p}].hostPort`, key))
      taken.add(key)
    }
  }
}

export function checkContainers(scope: PodScope, path: string): void {
  const { errors, spec } = scope
  const containers = spec.containers ?? []
  if (containers.length === 0) {
    errors.push(required(path))
    return
  }
  const names = new Set<string>()
  for (const [i, container] of containers.entries()) {
    const at = `${path}[${i}]`
    checkCommon(scope, container, at)
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    names.add(container.name)
    checkHooks(scope, container, at)
    checkRestartPolicy(errors, container, at)
  }
  checkHostPorts(errors, containers, path)
}

export function checkInitContainers(scope: PodScope, path: string): void {
  const { errors, spec } = scope
  const names = new Set((spec.containers ?? []).map(({ name }) => name))
  for (const [i, container] of (spec.initContainers ?? []).entries()) {
    const at = `${path}[${i}]`
    checkCommon(scope, container, at)
    checkInitRestartPolicy(errors, container, at)
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    else if (container.name) names.add(container.name)
    checkHostPorts(errors, [container], path)
    if (isSidecar(container)) {
      checkHooks(scope, container, at)
      continue
    }
    forbidHooks(errors, container, at)
    for (const [j, { restartPolicy }] of (container.resizePolicy ?? []).entries()) {
      if (restartPolicy !== 'RestartContainer') continue
      errors.push(
        invalid(
          `${at}.resizePolicy[${j}].restartPolicy`,
          restartPolicy,
          "must not be set to 'RestartContainer' for non-sidecar initContainers",
        ),
      )
    }
  }
}

/** What debugging a pod may add: no ports, no resources, no probes. */
const NOT_EPHEMERAL: readonly (keyof EphemeralContainer)[] = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
]

export function checkEphemeralContainers(scope: PodScope, path: string): void {
  const { errors, spec } = scope
  if (!spec.ephemeralContainers?.length) return
  const others = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name))
  const names = new Set(others)
  for (const [i, container] of spec.ephemeralContainers.entries()) {
    const at = `${path}[${i}]`
    checkCommon(scope, container, at)
    checkImageSpaces(errors, container, at)
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    names.add(container.name)
    const target = container.targetContainerName
    if (target && !others.has(target)) errors.push(notFound(`${at}.targetContainerName`, target))
    for (const field of NOT_EPHEMERAL)
      if (isSet(container, field)) errors.push(forbidden(`${at}.${field}`, 'cannot be set for an Ephemeral Container'))
    for (const [j, { subPath, subPathExpr }] of (container.volumeMounts ?? []).entries()) {
      if (subPath) errors.push(forbidden(`${at}.volumeMounts[${j}].subPath`, 'cannot be set for an Ephemeral Container'))
      if (subPathExpr) errors.push(forbidden(`${at}.volumeMounts[${j}].subPathExpr`, 'cannot be set for an Ephemeral Container'))
    }
  }
}

/** Whether Go would see more than a zero value, be it an empty list; `resources` is always there. */
function isSet(container: EphemeralContainer, field: keyof EphemeralContainer): boolean {
  if (field !== 'resources') return asGiven(container, field) !== undefined
  return Object.keys(container.resources ?? {}).length > 0 || hidesEmptyOnes(container.resources)
}

export function checkImageSpaces(errors: FieldError[], { image }: AnyContainer, path: string): void {
  if (image && image !== image.trim()) errors.push(invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'))
}
