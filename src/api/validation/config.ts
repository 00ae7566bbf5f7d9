/** ConfigMap, Secret, Namespace (pkg/apis/core/validation). */
import { forbidden, IMMUTABLE, invalid, invalidAll, required, tooLong } from './fieldErrors.ts'
import { goJsonError } from './goJsonError.ts'
import { isConfigMapKey } from './names.ts'
import { validateFinalizerName } from './objectMeta.ts'
import type { ConfigMap, Namespace, Secret } from '../kinds/core/v1.ts'
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

export function validateConfigMapChange(next: ConfigMap, old: ConfigMap): FieldError[] {
  return immutableErrors(next, old, ['data', 'binaryData'])
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
  const error = goJsonError(Buffer.from(value ?? '', 'base64'))
  return error === undefined ? [] : [invalid(`data[${key}]`, '<secret contents redacted>', error)]
}

export function validateSecretChange(next: Secret, old: Secret): FieldError[] {
  const errors: FieldError[] = []
  if (next.type !== old.type) errors.push(invalid('type', next.type ?? '', IMMUTABLE))
  return [...errors, ...immutableErrors(next, old, ['data'])]
}

export function validateNamespaceStatus({ metadata, status }: Namespace): FieldError[] {
  const [phase, when] = metadata.deletionTimestamp ? ['Terminating', 'not empty'] : ['Active', 'empty']
  const now = status?.phase ?? ''
  return now === phase ? [] : [invalid('status.Phase', now, `may only be '${phase}' if \`deletionTimestamp\` is ${when}`)]
}

export function validateNamespace(namespace: Namespace): FieldError[] {
  return (namespace.spec?.finalizers ?? []).flatMap((finalizer) => validateFinalizerName(finalizer, 'spec.finalizers'))
}
