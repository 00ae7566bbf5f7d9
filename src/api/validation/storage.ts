/** storage.k8s.io. */
import { duplicate, IMMUTABLE, forbidden, invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { isQualifiedName, nameIsDnsSubdomain } from './names.ts'
import { validateEnum, validateNotNegative } from './values.ts'
import type { CSIDriver, CSINode, StorageClass, VolumeAttachment, VolumeAttributesClass } from '../kinds/storage/v1.ts'
import type { FieldError } from '../status.ts'

function validateParameters(parameters: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  return Object.keys(parameters ?? {})
    .filter((key) => key === '')
    .map((key) => invalid(path, key, 'field can not be empty.'))
}

export function validateStorageClass(storageClass: StorageClass): FieldError[] {
  const { provisioner, reclaimPolicy, volumeBindingMode, allowedTopologies = [] } = storageClass
  const errors = provisioner
    ? invalidAll('provisioner', provisioner.toLowerCase(), isQualifiedName(provisioner.toLowerCase()))
    : [required('provisioner')]
  errors.push(...validateParameters(storageClass.parameters, 'parameters'))
  if (reclaimPolicy) errors.push(...validateEnum(reclaimPolicy, 'reclaimPolicy', ['Delete', 'Retain']))
  if (volumeBindingMode === undefined) errors.push(required('volumeBindingMode'))
  else errors.push(...validateEnum(volumeBindingMode, 'volumeBindingMode', ['Immediate', 'WaitForFirstConsumer']))
  for (const [i, term] of allowedTopologies.entries()) {
    for (const [j, { key, values: given }] of (term.matchLabelExpressions ?? []).entries()) {
      const values = given ?? []
      const at = `allowedTopologies[${i}].matchLabelExpressions[${j}]`
      if (values.length === 0) errors.push(required(`${at}.values`))
      for (const [k, value] of values.entries()) if (values.indexOf(value) < k) errors.push(duplicate(`${at}.values[${k}]`, value))
      errors.push(...invalidAll(`${at}.key`, key, isQualifiedName(key)))
    }
  }
  return errors
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? {}) === JSON.stringify(b ?? {})

export function validateStorageClassUpdate(next: StorageClass, old: StorageClass): FieldError[] {
  const errors: FieldError[] = []
  if (!same(next.parameters, old.parameters)) errors.push(forbidden('parameters', 'updates to parameters are forbidden.'))
  if (next.provisioner !== old.provisioner) errors.push(forbidden('provisioner', 'updates to provisioner are forbidden.'))
  if (next.reclaimPolicy !== old.reclaimPolicy) errors.push(forbidden('reclaimPolicy', 'updates to reclaimPolicy are forbidden.'))
  if (next.volumeBindingMode !== old.volumeBindingMode) errors.push(invalid('volumeBindingMode', next.volumeBindingMode ?? null, IMMUTABLE))
  return errors
}

function validateDriverName(name: string, path: string): FieldError[] {
  if (!name) return [required(path)]
  const errors =
    name.length > 63 ? [{ type: 'FieldValueTooLong' as const, field: path, message: 'Too long: may not be more than 63 bytes' }] : []
  return [...errors, ...invalidAll(path, name, nameIsDnsSubdomain(name.toLowerCase(), false))]
}

const SHORTEST_TOKEN_SECONDS = 600

export function validateCsiDriver({ spec }: CSIDriver): FieldError[] {
  const errors: FieldError[] = []
  for (const mode of spec?.volumeLifecycleModes ?? []) {
    if (!['Persistent', 'Ephemeral'].includes(mode))
      errors.push(notSupported('spec.volumeLifecycleModes', mode, ['Persistent', 'Ephemeral']))
  }
  const seen = new Set<string>()
  for (const [i, { audience, expirationSeconds }] of (spec?.tokenRequests ?? []).entries()) {
    const at = `spec.tokenRequests[${i}]`
    if (seen.has(audience)) errors.push(duplicate(`${at}.audience`, audience))
    seen.add(audience)
    if (expirationSeconds === undefined) continue
    if (expirationSeconds < SHORTEST_TOKEN_SECONDS)
      errors.push(invalid(`${at}.expirationSeconds`, expirationSeconds, 'may not specify a duration less than 10 minutes'))
    if (expirationSeconds > 2 ** 32)
      errors.push(invalid(`${at}.expirationSeconds`, expirationSeconds, 'may not specify a duration larger than 2^32 seconds'))
  }
  errors.push(...validateEnum(spec?.fsGroupPolicy, 'spec.fsGroupPolicy', ['File', 'None', 'ReadWriteOnceWithFSType']))
  return errors
}

export function validateCsiNode({ spec }: CSINode): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [i, driver] of (spec?.drivers ?? []).entries()) {
    const at = `spec.drivers[${i}]`
    errors.push(...validateDriverName(driver.name, `${at}.name`))
    if (!driver.nodeID) errors.push(required(`${at}.nodeID`))
    const keys = driver.topologyKeys ?? []
    for (const [j, key] of keys.entries()) {
      if (keys.indexOf(key) < j) errors.push(duplicate(at, key))
      errors.push(...invalidAll(at, key, isQualifiedName(key)))
    }
    errors.push(...validateNotNegative(driver.allocatable?.count, `${at}.allocatable.count`))
    if (names.has(driver.name)) errors.push(duplicate(`${at}.name`, driver.name))
    names.add(driver.name)
  }
  return errors
}

export function validateVolumeAttachment({ spec }: VolumeAttachment): FieldError[] {
  const { attacher = '', nodeName = '', source } = spec ?? {}
  const errors = validateDriverName(attacher, 'spec.attacher')
  errors.push(...invalidAll('spec.nodeName', nodeName, nameIsDnsSubdomain(nodeName, false)))
  const name = source?.persistentVolumeName
  const both = Boolean(source?.inlineVolumeSpec) === (name !== undefined)
  if (both) return [...errors, required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')]
  if (name !== undefined) {
    if (!name) errors.push(required('spec.source.persistentVolumeName', 'must specify non empty persistentVolumeName'))
    errors.push(...invalidAll('spec.source.persistentVolumeName', name, nameIsDnsSubdomain(name, false)))
  }
  return errors
}

export function validateVolumeAttributesClass(attributes: VolumeAttributesClass): FieldError[] {
  const { driverName, parameters = {} } = attributes
  const errors = driverName ? invalidAll('driverName', driverName, isQualifiedName(driverName.toLowerCase())) : [required('driverName')]
  if (Object.keys(parameters).length === 0) errors.push(required('parameters', 'must contain at least one key/value pair'))
  return [...errors, ...validateParameters(parameters, 'parameters')]
}

export function validateVolumeAttributesClassUpdate(next: VolumeAttributesClass, old: VolumeAttributesClass): FieldError[] {
  const errors: FieldError[] = []
  if (next.driverName !== old.driverName) errors.push(invalid('driverName', next.driverName, IMMUTABLE))
  if (!same(next.parameters, old.parameters)) errors.push(invalid('parameters', next.parameters ?? null, IMMUTABLE))
  return errors
}
