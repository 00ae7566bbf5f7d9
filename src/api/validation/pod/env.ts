/** Environment variables and where their values come from; the downward API's field and resource references. */
import { check, invalid, notFound, notSupported, required } from '../fieldErrors.ts'
import { isConfigMapKey, isDns1123Label, isQualifiedName, isRelaxedEnvVarName, nameIsDnsSubdomain } from '../names.ts'
import { nanosOf } from '../quantities.ts'
import { checkNoBacksteps } from '../values.ts'
import { eachContainer } from './scope.ts'
import type {
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  FileKeySelector,
  ObjectFieldSelector,
  PodSpec,
  ResourceFieldSelector,
} from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'

const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]
export const VOLUME_FIELDS = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid']
const KNOWN_FIELDS = new Set([...ENV_FIELDS, ...VOLUME_FIELDS, 'spec.restartPolicy', 'spec.schedulerName', 'status.phase'])
const SUBSCRIPT_RE = /^(.+?)\['(.*)'\]$/s

export function checkFieldRef(
  errors: FieldError[],
  { apiVersion, fieldPath }: ObjectFieldSelector,
  supported: readonly string[],
  path: string,
): void {
  if (!apiVersion) {
    errors.push(required(`${path}.apiVersion`))
    return
  }
  if (!fieldPath) {
    errors.push(required(`${path}.fieldPath`))
    return
  }
  const refuse = (why: string): void => void errors.push(invalid(`${path}.fieldPath`, fieldPath, `error converting fieldPath: ${why}`))
  if (apiVersion !== 'v1') return refuse(`unsupported pod version: ${apiVersion}`)
  const [, base, key] = SUBSCRIPT_RE.exec(fieldPath) ?? []
  if (base !== undefined && key !== undefined) {
    if (base === 'metadata.annotations') check(errors, path, key.toLowerCase(), isQualifiedName(key.toLowerCase()))
    else if (base === 'metadata.labels') check(errors, path, key, isQualifiedName(key))
    else refuse(`field label does not support subscript: ${fieldPath}`)
    return
  }
  const field = fieldPath === 'spec.host' ? 'spec.nodeName' : fieldPath
  if (!KNOWN_FIELDS.has(field)) refuse(`field label not supported: ${fieldPath}`)
  else if (!supported.includes(field)) errors.push(notSupported(`${path}.fieldPath`, field, supported))
}

const RESOURCES = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
]
const BYTE_DIVISORS = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']
const isHugePages = (resource: string): boolean => resource.startsWith('requests.hugepages-') || resource.startsWith('limits.hugepages-')

function divisorsOf(resource: string): { divisors: readonly string[]; text: string } | undefined {
  const bytes = (what: string): { divisors: readonly string[]; text: string } => ({
    divisors: BYTE_DIVISORS,
    text: `only divisor's values ${BYTE_DIVISORS.join(', ')} are supported with the ${what} resource`,
  })
  if (resource.endsWith('s.cpu'))
    return { divisors: ['1m', '1'], text: "only divisor's values 1m and 1 are supported with the cpu resource" }
  if (resource.endsWith('s.memory')) return bytes('memory')
  if (resource.endsWith('s.ephemeral-storage')) return bytes('local ephemeral storage')
  return isHugePages(resource) ? bytes('hugepages') : undefined
}

export function checkResourceFieldRef(errors: FieldError[], ref: ResourceFieldSelector, needsContainer: boolean, path: string): void {
  const { resource = '', divisor } = ref
  if (needsContainer && !ref.containerName) errors.push(required(`${path}.containerName`))
  else if (!resource) errors.push(required(`${path}.resource`))
  else if (!RESOURCES.includes(resource) && !isHugePages(resource)) errors.push(notSupported(`${path}.resource`, resource, RESOURCES))
  if (divisor === undefined || nanosOf(divisor) === 0n) return
  const known = divisorsOf(resource)
  if (known && !known.divisors.includes(divisor)) errors.push(invalid(`${path}.divisor`, resource, known.text))
}

function checkKeyRef(errors: FieldError[], ref: { name?: string; key: string }, path: string): void {
  const name = ref.name ?? ''
  check(errors, `${path}.name`, name, nameIsDnsSubdomain(name, false))
  if (!ref.key) errors.push(required(`${path}.key`))
  else check(errors, `${path}.key`, ref.key, isConfigMapKey(ref.key))
}

function checkFileKeyRef(errors: FieldError[], ref: FileKeySelector, path: string): void {
  if (!ref.key) errors.push(required(`${path}.key`))
  else check(errors, `${path}.key`, ref.key, isRelaxedEnvVarName(ref.key))
  if (!ref.volumeName) errors.push(required(`${path}.volumeName`))
  else check(errors, `${path}.volumeName`, ref.volumeName, isDns1123Label(ref.volumeName))
  if (!ref.path) errors.push(required(`${path}.path`))
  else checkNoBacksteps(errors, `${path}.path`, ref.path)
}

function checkValueFrom(errors: FieldError[], source: EnvVarSource, value: string | undefined, path: string): void {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = source
  if (fieldRef) checkFieldRef(errors, fieldRef, ENV_FIELDS, `${path}.fieldRef`)
  if (resourceFieldRef) checkResourceFieldRef(errors, resourceFieldRef, false, `${path}.resourceFieldRef`)
  if (configMapKeyRef) checkKeyRef(errors, configMapKeyRef, `${path}.configMapKeyRef`)
  if (secretKeyRef) checkKeyRef(errors, secretKeyRef, `${path}.secretKeyRef`)
  if (fileKeyRef) checkFileKeyRef(errors, fileKeyRef, `${path}.fileKeyRef`)
  const count = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter(Boolean).length
  if (count === 0)
    errors.push(invalid(path, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'))
  else if (value) errors.push(invalid(path, '', 'may not be specified when `value` is not empty'))
  else if (count > 1) errors.push(invalid(path, '', 'may not have more than one field specified at a time'))
}

export function checkEnv(errors: FieldError[], env: readonly EnvVar[], path: string): void {
  for (const [i, { name, value, valueFrom }] of env.entries()) {
    if (!name) errors.push(required(`${path}[${i}].name`))
    else check(errors, `${path}[${i}].name`, name, isRelaxedEnvVarName(name))
    if (valueFrom) checkValueFrom(errors, valueFrom, value, `${path}[${i}].valueFrom`)
  }
}

export function checkEnvFrom(errors: FieldError[], sources: readonly EnvFromSource[], path: string): void {
  for (const [i, { prefix, configMapRef, secretRef }] of sources.entries()) {
    if (prefix) check(errors, `${path}[${i}].prefix`, prefix, isRelaxedEnvVarName(prefix))
    for (const [field, ref] of Object.entries({ configMapRef, secretRef })) {
      if (!ref) continue
      if (!ref.name) errors.push(required(`${path}[${i}].${field}.name`))
      else check(errors, `${path}[${i}].${field}.name`, ref.name, nameIsDnsSubdomain(ref.name, true))
    }
    if (!configMapRef && !secretRef) errors.push(invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`'))
    else if (configMapRef && secretRef) errors.push(invalid(path, '', 'may not have more than one field specified at a time'))
  }
}

/** Files that give variables live in an emptyDir, where an init container has written them. */
export function checkFileKeyVolumes(errors: FieldError[], spec: PodSpec, path: string): void {
  eachContainer(spec, path, (container, at) => {
    for (const [i, { valueFrom }] of (container.env ?? []).entries()) {
      const ref = valueFrom?.fileKeyRef
      if (!ref) continue
      const field = `${at}.env[${i}].valueFrom.fileKeyRef.volumeName`
      const volume = spec.volumes?.find(({ name }) => name === ref.volumeName)
      if (!volume) errors.push(notFound(field, ref.volumeName))
      else if (!volume.emptyDir) errors.push(invalid(field, ref.volumeName, 'referenced volume must be of type emptyDir'))
    }
  })
}
