/** ConfigMap, Secret, Namespace, LimitRange, ResourceQuota (pkg/apis/core/validation). */
import { duplicate, forbidden, IMMUTABLE, invalid, invalidAll, invalidTyped, required, tooLong } from './fieldErrors.ts'
import { quote } from '../quote.ts'
import { isConfigMapKey, isQualifiedName } from './names.ts'
import { validateFinalizerName } from './objectMeta.ts'
import { isWhole, nanosOf } from './quantities.ts'
import {
  isIntegerResource,
  isOvercommitAllowed,
  isStandardQuotaResource,
  validateContainerResourceName,
  validateQuotaResourceName,
  validateResourceName,
} from './resourceNames.ts'
import { NOT_NEGATIVE } from './values.ts'
import type { ConfigMap, LimitRange, LimitRangeItem, Namespace, ResourceQuota, Secret } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const SIZE_LIMIT_BYTES = 1024 * 1024
const IMMUTABLE_SET = 'field is immutable when `immutable` is set'

/** Bytes may be null. */
const base64Bytes = (text: string | null): number => (text ? Buffer.byteLength(text, 'base64') : 0)

function keyErrors(path: string, key: string): FieldError[] {
  return invalidAll(`${path}[${key}]`, key, isConfigMapKey(key))
}

export function validateConfigMap(map: ConfigMap): FieldError[] {
  const errors: FieldError[] = []
  let sizeBytes = 0
  for (const [key, value] of Object.entries(map.data ?? {})) {
    errors.push(...keyErrors('data', key))
    if (map.binaryData && key in map.binaryData) errors.push(invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'))
    sizeBytes += Buffer.byteLength(value)
  }
  for (const [key, value] of Object.entries(map.binaryData ?? {})) {
    errors.push(...keyErrors('binaryData', key))
    sizeBytes += base64Bytes(value)
  }
  if (sizeBytes > SIZE_LIMIT_BYTES) errors.push(tooLong('[]', SIZE_LIMIT_BYTES))
  return errors
}

function same(a: unknown, b: unknown): boolean {
  const left = (a ?? {}) as Record<string, unknown>
  const right = (b ?? {}) as Record<string, unknown>
  const keys = Object.keys(left)
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key])
}

function immutableErrors(next: ConfigMap | Secret, old: ConfigMap | Secret, fields: readonly string[]): FieldError[] {
  if (!old.immutable) return []
  const errors: FieldError[] = []
  if (!next.immutable) errors.push(forbidden('immutable', IMMUTABLE_SET))
  const values = (object: ConfigMap | Secret, field: string): unknown => (object as unknown as Record<string, unknown>)[field]
  for (const field of fields) if (!same(values(next, field), values(old, field))) errors.push(forbidden(field, IMMUTABLE_SET))
  return errors
}

export function validateConfigMapUpdate(next: ConfigMap, old: ConfigMap): FieldError[] {
  return [...immutableErrors(next, old, ['data', 'binaryData']), ...validateConfigMap(next)]
}

const SERVICE_ACCOUNT_NAME = 'kubernetes.io/service-account.name'

export function validateSecret(secret: Secret): FieldError[] {
  const data = secret.data ?? {}
  const errors: FieldError[] = []
  let sizeBytes = 0
  for (const [key, value] of Object.entries(data)) {
    errors.push(...keyErrors('data', key))
    sizeBytes += base64Bytes(value)
  }
  if (sizeBytes > SIZE_LIMIT_BYTES) errors.push(tooLong('data', SIZE_LIMIT_BYTES))
  return [...errors, ...secretTypeErrors(secret, data)]
}

function secretTypeErrors({ type, metadata }: Secret, data: Readonly<Record<string, string>>): FieldError[] {
  const needs = (...keys: string[]): FieldError[] => keys.filter((key) => !(key in data)).map((key) => required(`data[${key}]`))
  switch (type) {
    case 'kubernetes.io/service-account-token':
      return metadata.annotations?.[SERVICE_ACCOUNT_NAME] ? [] : [required(`metadata.annotations[${SERVICE_ACCOUNT_NAME}]`)]
    case 'kubernetes.io/dockercfg':
      return jsonKey(data, '.dockercfg')
    case 'kubernetes.io/dockerconfigjson':
      return jsonKey(data, '.dockerconfigjson')
    case 'kubernetes.io/basic-auth':
      return 'username' in data || 'password' in data ? [] : [required('data[username]'), required('data[password]')]
    case 'kubernetes.io/ssh-auth':
      return data['ssh-privatekey'] ? [] : [required('data[ssh-privatekey]')]
    case 'kubernetes.io/tls':
      return needs('tls.crt', 'tls.key')
    default:
      return []
  }
}

function jsonKey(data: Readonly<Record<string, string>>, key: string): FieldError[] {
  const value = data[key]
  if (value === undefined) return [required(`data[${key}]`)]
  const bytes = Buffer.from(value ?? '', 'base64')
  try {
    JSON.parse(bytes.toString('utf8'))
    return []
  } catch {
    return [invalid(`data[${key}]`, '<secret contents redacted>', goJsonError(bytes.toString('latin1')))]
  }
}

/** As Go's parser shows a byte. */
function quoteChar(char: string): string {
  if (char === "'") return String.raw`'\''`
  return char === '"' ? `'"'` : `'${quote(char).slice(1, -1)}'`
}

/** Where Go's parser gives up; `text` has one character for each byte. */
function goJsonError(text: string): string {
  if (text.trim() === '') return 'unexpected end of JSON input'
  for (const literal of ['null', 'true', 'false']) {
    if (text[0] !== literal[0]) continue
    for (let i = 1; i < literal.length; i++) {
      if (text[i] !== literal[i])
        return text[i] === undefined
          ? 'unexpected end of JSON input'
          : `invalid character ${quoteChar(text[i] ?? '')} in literal ${literal} (expecting '${literal[i]}')`
    }
  }
  return `invalid character ${quoteChar(text.replace(/^[ \t\r\n]+/, '')[0] ?? '')} looking for beginning of value`
}

export function validateSecretUpdate(next: Secret, old: Secret): FieldError[] {
  const errors: FieldError[] = []
  if (next.type !== old.type) errors.push(invalid('type', next.type ?? '', IMMUTABLE))
  return [...errors, ...immutableErrors(next, old, ['data']), ...validateSecret(next)]
}

export function validateNamespaceStatus({ metadata, status }: Namespace): FieldError[] {
  const [phase, when] = metadata.deletionTimestamp ? ['Terminating', 'not empty'] : ['Active', 'empty']
  const now = status?.phase ?? ''
  return now === phase ? [] : [invalid('status.Phase', now, `may only be '${phase}' if \`deletionTimestamp\` is ${when}`)]
}

export function validateNamespace(namespace: Namespace): FieldError[] {
  return (namespace.spec?.finalizers ?? []).flatMap((finalizer) => validateFinalizerName(finalizer, 'spec.finalizers'))
}

const LIMIT_TYPES = ['Pod', 'Container', 'PersistentVolumeClaim']

function limitResourceErrors(type: string, name: string, path: string): FieldError[] {
  if (type === 'Container' || type === 'Pod') return validateContainerResourceName(name, path)
  return validateResourceName(name, path)
}

export function validateLimitRange(range: LimitRange): FieldError[] {
  const seen = new Set<string>()
  return (range.spec?.limits ?? []).flatMap((limit, i) => {
    const path = `spec.limits[${i}]`
    const broken = isQualifiedName(limit.type)
    if (broken.length === 0 && !LIMIT_TYPES.includes(limit.type) && !limit.type.includes('/'))
      broken.push('must be a standard limit type or fully qualified')
    const errors = broken.map((why) => invalidTyped(`${path}.type`, limit.type, why))
    if (seen.has(limit.type)) errors.push(duplicate(`${path}.type`, limit.type))
    seen.add(limit.type)
    return [...errors, ...validateLimit(limit, path)]
  })
}

function validateLimit(limit: LimitRangeItem, path: string): FieldError[] {
  const { type, min = {}, max = {}, default: defaults = {}, defaultRequest = {}, maxLimitRequestRatio = {} } = limit
  const errors: FieldError[] = []
  for (const [field, values] of Object.entries({ max, min })) {
    for (const name of Object.keys(values)) errors.push(...limitResourceErrors(type, name, `${path}.${field}[${name}]`))
  }
  if (type === 'Pod') {
    if (limit.default) errors.push(forbidden(`${path}.default`, "may not be specified when `type` is 'Pod'"))
    if (limit.defaultRequest) errors.push(forbidden(`${path}.defaultRequest`, "may not be specified when `type` is 'Pod'"))
  } else {
    for (const [field, values] of Object.entries({ default: defaults, defaultRequest })) {
      for (const name of Object.keys(values)) errors.push(...limitResourceErrors(type, name, `${path}.${field}[${name}]`))
    }
  }
  const isUnbounded = type === 'PersistentVolumeClaim' && min['storage'] === undefined && max['storage'] === undefined
  if (isUnbounded) errors.push(required(`${path}.limits`, 'either minimum or maximum storage value is required, but neither was provided'))
  for (const name of Object.keys(maxLimitRequestRatio))
    errors.push(...limitResourceErrors(type, name, `${path}.maxLimitRequestRatio[${name}]`))
  const names = new Set([
    ...Object.keys(max),
    ...Object.keys(min),
    ...Object.keys(defaults),
    ...Object.keys(defaultRequest),
    ...Object.keys(maxLimitRequestRatio),
  ])
  for (const name of names)
    errors.push(
      ...limitOrder(
        {
          min: min[name],
          max: max[name],
          default: defaults[name],
          defaultRequest: defaultRequest[name],
          ratio: maxLimitRequestRatio[name],
        },
        name,
        path,
      ),
    )
  return errors
}

interface LimitValues {
  min: string | undefined
  max: string | undefined
  default: string | undefined
  defaultRequest: string | undefined
  ratio: string | undefined
}

function limitOrder(v: LimitValues, name: string, path: string): FieldError[] {
  const errors: FieldError[] = []
  const above = (a: string | undefined, b: string | undefined): boolean => a !== undefined && b !== undefined && nanosOf(a) > nanosOf(b)
  const check = (
    field: string,
    low: string | undefined,
    high: string | undefined,
    lowName: string,
    highName: string,
    shown: string | undefined,
  ): void => {
    if (above(low, high))
      errors.push(invalid(`${path}.${field}[${name}]`, shown, `${lowName} value ${low} is greater than ${highName} value ${high}`))
  }
  check('min', v.min, v.max, 'min', 'max', v.min)
  check('defaultRequest', v.min, v.defaultRequest, 'min', 'default request', v.defaultRequest)
  check('defaultRequest', v.defaultRequest, v.max, 'default request', 'max', v.defaultRequest)
  check('defaultRequest', v.defaultRequest, v.default, 'default request', 'default limit', v.defaultRequest)
  check('default', v.min, v.default, 'min', 'default', v.min)
  check('default', v.default, v.max, 'default', 'max', v.max)
  if (v.ratio !== undefined) {
    if (nanosOf(v.ratio) < 1_000_000_000n)
      errors.push(invalid(`${path}.maxLimitRequestRatio[${name}]`, v.ratio, `ratio ${v.ratio} is less than 1`))
    if (
      v.min !== undefined &&
      v.max !== undefined &&
      nanosOf(v.min) > 0n &&
      Number(nanosOf(v.ratio)) / 1e9 > Number(nanosOf(v.max)) / Number(nanosOf(v.min))
    ) {
      const limit = Number(nanosOf(v.max)) / Number(nanosOf(v.min))
      errors.push(
        invalid(`${path}.maxLimitRequestRatio[${name}]`, v.ratio, `ratio ${v.ratio} is greater than max/min = ${limit.toFixed(6)}`),
      )
    }
  }
  if (
    !isOvercommitAllowed(name) &&
    v.default !== undefined &&
    v.defaultRequest !== undefined &&
    nanosOf(v.default) !== nanosOf(v.defaultRequest)
  ) {
    const text = `default value ${v.default} must equal to defaultRequest value ${v.defaultRequest} in ${name}`
    errors.push(invalid(`${path}.defaultRequest[${name}]`, v.defaultRequest, text))
  }
  return errors
}

const SCOPES = new Set([
  'Terminating',
  'NotTerminating',
  'BestEffort',
  'NotBestEffort',
  'PriorityClass',
  'CrossNamespacePodAffinity',
  'VolumeAttributesClass',
])
const EXISTS_SCOPES = new Set(['Terminating', 'NotTerminating', 'BestEffort', 'NotBestEffort', 'CrossNamespacePodAffinity'])
const EXISTS_TEXT =
  "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
const POD_RESOURCES = new Set([
  'pods',
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
])

function scopeAppliesTo(scope: string, resource: string): boolean {
  if (!SCOPES.has(scope)) return true
  switch (scope) {
    case 'BestEffort':
      return resource === 'pods'
    case 'VolumeAttributesClass':
      return resource === 'persistentvolumeclaims' || resource === 'requests.storage' || resource === 'count/persistentvolumeclaims'
    default:
      return POD_RESOURCES.has(resource) || resource === 'count/pods' || resource.includes('/') || resource.includes('hugepages-')
  }
}

function quantityErrors(quantities: Readonly<Record<string, string>> = {}, path: string): FieldError[] {
  return Object.entries(quantities).flatMap(([name, value]) => {
    const at = `${path}[${name}]`
    const errors = validateQuotaResourceName(name, at)
    if (nanosOf(value) < 0n) errors.push(invalid(at, value, NOT_NEGATIVE))
    if (isIntegerResource(name) && !isWhole(value)) errors.push(invalid(at, value, 'must be an integer'))
    return errors
  })
}

export function validateResourceQuotaStatus({ metadata, status }: ResourceQuota): FieldError[] {
  const missing = metadata.resourceVersion ? [] : [required('resourceVersion')]
  return [...missing, ...quantityErrors(status?.hard, 'status.hard'), ...quantityErrors(status?.used, 'status.used')]
}

export function validateResourceQuota(quota: ResourceQuota): FieldError[] {
  const { hard = {}, scopes, scopeSelector } = quota.spec ?? {}
  const errors = quantityErrors(hard, 'spec.hard')
  if (scopes?.length) errors.push(...scopeErrors(scopes, Object.keys(hard), 'spec.scopes', scopes))
  const expressions = scopeSelector?.matchExpressions ?? []
  const path = 'spec.scopeSelector.matchExpressions'
  for (const { scopeName, operator, values = [] } of expressions) {
    if (!SCOPES.has(scopeName)) errors.push(invalid(`${path}.scopeName`, scopeName, 'unsupported scope'))
    if (EXISTS_SCOPES.has(scopeName) && operator !== 'Exists') {
      errors.push(invalid(`${path}.operator`, operator, EXISTS_TEXT))
      continue
    }
    if ((operator === 'In' || operator === 'NotIn') && values.length === 0) {
      errors.push(required(`${path}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"))
    }
    if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) {
      errors.push(invalid(`${path}.values`, values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"))
    }
    if (!['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(operator))
      errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'))
  }
  return errors
}

function scopeErrors(scopes: readonly string[], resources: readonly string[], path: string, shown: unknown): FieldError[] {
  const errors: FieldError[] = []
  for (const scope of scopes) {
    if (!SCOPES.has(scope)) errors.push(invalid(path, shown, 'unsupported scope'))
    for (const resource of resources.toSorted()) {
      if (isStandardQuotaResource(resource) && !scopeAppliesTo(scope, resource))
        errors.push(invalid(path, shown, 'unsupported scope applied to resource'))
    }
  }
  for (const [a, b] of [
    ['BestEffort', 'NotBestEffort'],
    ['Terminating', 'NotTerminating'],
  ] as const) {
    if (scopes.includes(a) && scopes.includes(b)) errors.push(invalid(path, shown, 'conflicting scopes'))
  }
  return errors
}
