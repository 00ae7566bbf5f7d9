/** Containers of all three kinds. */
import { duplicate, forbidden, invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { validateResourceRequirements } from './containerResources.ts'
import { validateEnvironment } from './env.ts'
import { isDns1123Label, isPortName, isPortNumber } from './names.ts'
import { validateContainerSecurityContext } from './podSecurityContext.ts'
import { validateMounts } from './podVolumes.ts'
import { validateLifecycle, validateProbe } from './probes.ts'
import { validateEnum } from './values.ts'
import type { Container, ContainerPort, EphemeralContainer, PodSpec, Volume } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const PROTOCOLS = ['SCTP', 'TCP', 'UDP']

function validatePorts(ports: readonly ContainerPort[], hostNetwork: boolean, path: string): FieldError[] {
  const names = new Set<string>()
  return ports.flatMap((port, i) => {
    const at = `${path}[${i}]`
    const errors: FieldError[] = []
    if (port.name) {
      const wrong = isPortName(port.name)
      errors.push(...invalidAll(`${at}.name`, port.name, wrong))
      if (wrong.length === 0) {
        if (names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name))
        names.add(port.name)
      }
    }
    if (!port.containerPort) errors.push(required(`${at}.containerPort`))
    else errors.push(...invalidAll(`${at}.containerPort`, port.containerPort, isPortNumber(port.containerPort)))
    if (port.hostPort) {
      errors.push(...invalidAll(`${at}.hostPort`, port.hostPort, isPortNumber(port.hostPort)))
      if (hostNetwork && port.hostPort !== port.containerPort) {
        errors.push(invalid(`${at}.hostPort`, port.hostPort, 'must match `containerPort` when `hostNetwork` is true'))
      }
    }
    if (!port.protocol) errors.push(required(`${at}.protocol`))
    else if (!PROTOCOLS.includes(port.protocol)) errors.push(notSupported(`${at}.protocol`, port.protocol, PROTOCOLS))
    return errors
  })
}

/** Two containers cannot have one port of the host. */
export function validateHostPorts(containers: readonly Container[], path: string): FieldError[] {
  const taken = new Set<string>()
  const errors: FieldError[] = []
  for (const [i, container] of containers.entries()) {
    for (const [j, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`
      if (taken.has(key)) errors.push(duplicate(`${path}[${i}].ports[${j}].hostPort`, key))
      taken.add(key)
    }
  }
  return errors
}

export interface ContainerContext {
  spec: PodSpec
  volumes: ReadonlyMap<string, Volume>
  claims: ReadonlySet<string>
}

const DEFAULT_GRACE_SECONDS = 30

function validateCommon(container: Container, context: ContainerContext, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (!container.name) errors.push(required(`${path}.name`))
  else errors.push(...invalidAll(`${path}.name`, container.name, isDns1123Label(container.name)))
  const image = container.image ?? ''
  if (!image) errors.push(required(`${path}.image`))
  else if (image.trim() !== image) errors.push(invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'))
  if (container.terminationMessagePolicy === undefined || container.terminationMessagePolicy === '') errors.push(required(`${path}.terminationMessagePolicy`))
  else errors.push(...validateEnum(container.terminationMessagePolicy, `${path}.terminationMessagePolicy`, ['FallbackToLogsOnError', 'File']))
  errors.push(...validatePorts(container.ports ?? [], context.spec.hostNetwork ?? false, `${path}.ports`))
  errors.push(...validateEnvironment(container, path))
  errors.push(...validateMounts(container, context.volumes, path))
  if (!container.imagePullPolicy) errors.push(required(`${path}.imagePullPolicy`))
  else errors.push(...validateEnum(container.imagePullPolicy, `${path}.imagePullPolicy`, ['Always', 'IfNotPresent', 'Never']))
  errors.push(...validateResourceRequirements(container.resources, `${path}.resources`, context.claims))
  for (const [i, { resourceName, restartPolicy }] of (container.resizePolicy ?? []).entries()) {
    if (!['cpu', 'memory'].includes(resourceName)) errors.push(notSupported(`${path}.resizePolicy`, resourceName, ['cpu', 'memory']))
    if (!['NotRequired', 'RestartContainer'].includes(restartPolicy)) errors.push(notSupported(`${path}.resizePolicy`, restartPolicy, ['NotRequired', 'RestartContainer']))
    if (container.resizePolicy?.slice(0, i).some((other) => other.resourceName === resourceName)) errors.push(duplicate(`${path}.resizePolicy`, resourceName))
  }
  return [...errors, ...validateContainerSecurityContext(container.securityContext, `${path}.securityContext`)]
}

function validateProbes(container: Container, context: ContainerContext, path: string): FieldError[] {
  const podGraceSeconds = context.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS
  return [
    ...validateLifecycle(container.lifecycle, `${path}.lifecycle`, podGraceSeconds),
    ...validateProbe(container.livenessProbe, `${path}.livenessProbe`, { successOnce: true, allowsGrace: true, podGraceSeconds }),
    ...validateProbe(container.readinessProbe, `${path}.readinessProbe`, { successOnce: false, allowsGrace: false, podGraceSeconds }),
    ...validateProbe(container.startupProbe, `${path}.startupProbe`, { successOnce: true, allowsGrace: true, podGraceSeconds }),
  ]
}

export function validateContainers(context: ContainerContext, path: string): FieldError[] {
  const containers = context.spec.containers ?? []
  if (containers.length === 0) return [required(path)]
  const names = new Set<string>()
  const errors = containers.flatMap((container, i) => {
    const at = `${path}[${i}]`
    const found = [...validateCommon(container, context, at), ...validateProbes(container, context, at)]
    if (container.name && names.has(container.name)) found.push(duplicate(`${at}.name`, container.name))
    names.add(container.name)
    if (container.restartPolicy !== undefined && !['Always', 'OnFailure', 'Never'].includes(container.restartPolicy)) {
      found.push(notSupported(`${at}.restartPolicy`, container.restartPolicy, ['Always', 'OnFailure', 'Never']))
    }
    return found
  })
  return [...errors, ...validateHostPorts(containers, path)]
}

const INIT_ONLY_SIDECAR = 'may not be set for init containers without restartPolicy=Always'

export function validateInitContainers(context: ContainerContext, path: string): FieldError[] {
  const containers = context.spec.initContainers ?? []
  const names = new Set((context.spec.containers ?? []).map((container) => container.name))
  return containers.flatMap((container, i) => {
    const at = `${path}[${i}]`
    const errors = validateCommon(container, context, at)
    if (container.name && names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    names.add(container.name)
    if (container.restartPolicy !== undefined && container.restartPolicy !== 'Always') {
      if (!['OnFailure', 'Never'].includes(container.restartPolicy)) errors.push(notSupported(`${at}.restartPolicy`, container.restartPolicy, ['Always', 'OnFailure', 'Never']))
    }
    if (container.restartPolicy === 'Always') errors.push(...validateProbes(container, context, at))
    else {
      for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
        if (container[field]) errors.push(forbidden(`${at}.${field}`, INIT_ONLY_SIDECAR))
      }
    }
    return [...errors, ...validateHostPorts([container], path)]
  })
}

const EPHEMERAL_FORBIDDEN = ['ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle', 'resources'] as const

export function validateEphemeralContainers(containers: readonly EphemeralContainer[], context: ContainerContext, path: string): FieldError[] {
  const { spec } = context
  const names = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((container) => container.name))
  const targets = new Set(names)
  return containers.flatMap((container, i) => {
    const at = `${path}[${i}]`
    const errors = validateCommon(container as Container, context, at)
    if (container.name && names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    names.add(container.name)
    const target = container.targetContainerName
    if (target && !targets.has(target)) errors.push({ type: 'FieldValueNotFound', field: `${at}.targetContainerName`, message: `Not found: ${JSON.stringify(target)}` })
    for (const field of EPHEMERAL_FORBIDDEN) {
      const value = container[field]
      if (value !== undefined && Object.keys(value).length > 0) errors.push(forbidden(`${at}.${field}`, 'cannot be set for an Ephemeral Container'))
    }
    for (const [j, mount] of (container.volumeMounts ?? []).entries()) {
      if (mount.subPath) errors.push(forbidden(`${at}.volumeMounts[${j}].subPath`, 'cannot be set for an Ephemeral Container'))
      if (mount.subPathExpr) errors.push(forbidden(`${at}.volumeMounts[${j}].subPathExpr`, 'cannot be set for an Ephemeral Container'))
    }
    return errors
  })
}
