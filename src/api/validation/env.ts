/** Environment variables and where they come from. */
import { invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { isConfigMapKey, isRelaxedEnvVarName, nameIsDnsSubdomain } from './names.ts'
import type { Container, EnvFromSource, EnvVar, EnvVarSource, ObjectFieldSelector } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const ENV_FIELDS = [
  'metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid', 'spec.nodeName', 'spec.serviceAccountName',
  'status.hostIP', 'status.hostIPs', 'status.podIP', 'status.podIPs',
]
const RESOURCES = ['limits.cpu', 'limits.ephemeral-storage', 'limits.memory', 'requests.cpu', 'requests.ephemeral-storage', 'requests.memory']

export function validateFieldRef(ref: ObjectFieldSelector, path: string, supported: readonly string[], subscripts: boolean): FieldError[] {
  if (!ref.apiVersion) return [required(`${path}.apiVersion`)]
  if (!ref.fieldPath) return [required(`${path}.fieldPath`)]
  const subscript = /^(metadata\.(?:annotations|labels))\['(.*)'\]$/.exec(ref.fieldPath)
  if (subscript && subscripts) return []
  if (!/^[a-z]/.test(ref.fieldPath)) return [invalid(`${path}.fieldPath`, ref.fieldPath, `error converting fieldPath: field label not supported: ${ref.fieldPath}`)]
  if (!KNOWN_FIELDS.has(ref.fieldPath)) return [invalid(`${path}.fieldPath`, ref.fieldPath, `error converting fieldPath: field label not supported: ${ref.fieldPath}`)]
  return supported.includes(ref.fieldPath) ? [] : [notSupported(`${path}.fieldPath`, ref.fieldPath, supported)]
}

const KNOWN_FIELDS = new Set([
  ...ENV_FIELDS, 'spec.restartPolicy', 'spec.schedulerName', 'status.phase', 'spec.hostNetwork',
])

function sourceErrors(source: EnvVarSource, value: string | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  let sources = 0
  if (source.fieldRef) {
    sources++
    errors.push(...validateFieldRef(source.fieldRef, `${path}.fieldRef`, ENV_FIELDS.filter((f) => !/(annotations|labels)$/.test(f)), true))
  }
  if (source.resourceFieldRef) {
    sources++
    const { resource } = source.resourceFieldRef
    if (!resource) errors.push(required(`${path}.resourceFieldRef.resource`))
    else if (!RESOURCES.includes(resource) && !/^(limits|requests)\.hugepages-/.test(resource)) errors.push(notSupported(`${path}.resourceFieldRef.resource`, resource, RESOURCES))
  }
  for (const [field, ref] of Object.entries({ configMapKeyRef: source.configMapKeyRef, secretKeyRef: source.secretKeyRef })) {
    if (!ref) continue
    sources++
    if (!ref.name) errors.push(required(`${path}.${field}.name`))
    if (!ref.key) errors.push(required(`${path}.${field}.key`))
    else errors.push(...invalidAll(`${path}.${field}.key`, ref.key, isConfigMapKey(ref.key)))
  }
  if (sources === 0) errors.push(invalid(path, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'))
  if (value) {
    if (sources > 0) errors.push(invalid(path, '', 'may not be specified when `value` is not empty'))
  } else if (sources > 1) errors.push(invalid(path, '', 'may not have more than one field specified at a time'))
  return errors
}

function validateEnvVar(env: EnvVar, path: string): FieldError[] {
  const errors = env.name ? invalidAll(`${path}.name`, env.name, isRelaxedEnvVarName(env.name)) : [required(`${path}.name`)]
  return env.valueFrom ? [...errors, ...sourceErrors(env.valueFrom, env.value, `${path}.valueFrom`)] : errors
}

function validateEnvFrom(from: EnvFromSource, path: string, list: string): FieldError[] {
  const errors: FieldError[] = []
  if (from.prefix) errors.push(...invalidAll(`${path}.prefix`, from.prefix, isRelaxedEnvVarName(from.prefix)))
  let sources = 0
  for (const [field, ref] of Object.entries({ configMapRef: from.configMapRef, secretRef: from.secretRef })) {
    if (!ref) continue
    sources++
    if (!ref.name) errors.push(required(`${path}.${field}.name`))
    else errors.push(...invalidAll(`${path}.${field}.name`, ref.name, nameIsDnsSubdomain(ref.name, false)))
  }
  if (sources === 0) errors.push(invalid(list, '', 'must specify one of: `configMapRef` or `secretRef`'))
  if (sources > 1) errors.push(invalid(list, '', 'may not have more than one field specified at a time'))
  return errors
}

export function validateEnvironment({ env = [], envFrom = [] }: Pick<Container, 'env' | 'envFrom'>, path: string): FieldError[] {
  return [
    ...env.flatMap((variable, i) => validateEnvVar(variable, `${path}.env[${i}]`)),
    ...envFrom.flatMap((from, i) => validateEnvFrom(from, `${path}.envFrom[${i}]`, `${path}.envFrom`)),
  ]
}

