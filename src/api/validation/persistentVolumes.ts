/** PersistentVolumes and the claims on them. */
import { forbidden, IMMUTABLE, invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import { isQualifiedName, nameIsDnsSubdomain } from './names.ts'
import { validateNodeSelector } from './podPlacement.ts'
import { validateNoBacksteps } from './podSecurityContext.ts'
import { nanosOf } from './quantities.ts'
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeSpec } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']
const VOLUME_MODES = ['Block', 'Filesystem']
const POSITIVE = 'must be greater than zero'

function validateAccessModes(modes: readonly string[], path: string): FieldError[] {
  const errors = modes.filter((mode) => !ACCESS_MODES.includes(mode)).map((mode) => notSupported(path, mode, ACCESS_MODES))
  if (modes.includes('ReadWriteOncePod') && modes.length > 1) errors.push(forbidden(path, 'may not use ReadWriteOncePod with other access modes'))
  return errors
}

export function validatePersistentVolumeClaimSpec(spec: PersistentVolumeClaimSpec | undefined, path: string): FieldError[] {
  const { accessModes = [], resources, selector, storageClassName, volumeMode } = spec ?? {}
  const errors: FieldError[] = []
  if (accessModes.length === 0) errors.push(required(`${path}.accessModes`, 'at least 1 access mode is required'))
  errors.push(...validateLabelSelector(selector, `${path}.selector`), ...validateAccessModes(accessModes, `${path}.accessModes`))
  const storage = resources?.requests?.['storage']
  if (storage === undefined) errors.push(required(`${path}.resources[storage]`))
  else if (nanosOf(storage) <= 0n) errors.push(invalid(`${path}.resources[storage]`, storage, POSITIVE))
  if (storageClassName) errors.push(...invalidAll(`${path}.storageClassName`, storageClassName, nameIsDnsSubdomain(storageClassName, false)))
  if (volumeMode !== undefined && !VOLUME_MODES.includes(volumeMode)) errors.push(notSupported(`${path}.volumeMode`, volumeMode, VOLUME_MODES))
  return errors
}

export function validatePersistentVolumeClaim(claim: PersistentVolumeClaim): FieldError[] {
  return validatePersistentVolumeClaimSpec(claim.spec, 'spec')
}

const SPEC_IMMUTABLE = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'

export function validatePersistentVolumeClaimUpdate(next: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const errors = validatePersistentVolumeClaim(next)
  const comparable = (claim: PersistentVolumeClaim): string => {
    const { resources: _, volumeName: __, volumeAttributesClassName: ___, storageClassName, ...rest } = claim.spec ?? {}
    return JSON.stringify(Object.entries({ ...rest, ...(old.spec?.storageClassName !== undefined && { storageClassName }) }).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }
  const nameChanged = Boolean(old.spec?.volumeName) && next.spec?.volumeName !== old.spec?.volumeName
  const bound = old.status?.phase === 'Bound'
  const sizeOf = (claim: PersistentVolumeClaim): bigint => nanosOf(claim.spec?.resources?.requests?.['storage'])
  const resized = sizeOf(next) !== sizeOf(old)
  if (comparable(next) !== comparable(old) || nameChanged || (resized && !bound)) {
    errors.push(forbidden('spec', `${SPEC_IMMUTABLE}\n`))
  } else if (sizeOf(next) < sizeOf(old)) {
    errors.push(forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'))
  }
  return errors
}

const NOT_SOURCES = new Set(['accessModes', 'capacity', 'claimRef', 'mountOptions', 'nodeAffinity', 'persistentVolumeReclaimPolicy', 'storageClassName', 'volumeAttributesClassName', 'volumeMode'])

function validateVolumeSource(spec: PersistentVolumeSpec): FieldError[] {
  const errors: FieldError[] = []
  const sources = Object.entries(spec).filter(([name, source]) => !NOT_SOURCES.has(name) && source !== undefined)
  for (const [i, [name]] of sources.entries()) if (i > 0) errors.push(forbidden(`spec.${name}`, 'may not specify more than 1 volume type'))
  if (sources.length === 0) errors.push(required('spec', 'must specify a volume type'))
  const { hostPath, local, csi, nfs } = spec
  if (hostPath) {
    if (!hostPath.path) errors.push(required('spec.hostPath.path'))
    else errors.push(...validateNoBacksteps(hostPath.path, 'spec.hostPath.path'))
    if (hostPath.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle') errors.push(forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'"))
  }
  if (local) {
    if (!local.path) errors.push(required('spec.local.path'))
    else errors.push(...validateNoBacksteps(local.path, 'spec.local.path'))
    if (!spec.nodeAffinity?.required) errors.push(required('spec.nodeAffinity', 'Local volume requires node affinity'))
  }
  if (csi) {
    if (!csi.driver) errors.push(required('spec.csi.driver'))
    if (!csi.volumeHandle) errors.push(required('spec.csi.volumeHandle'))
  }
  if (nfs) {
    if (!nfs.server) errors.push(required('spec.nfs.server'))
    if (!nfs.path) errors.push(required('spec.nfs.path'))
    if (!nfs.path?.startsWith('/')) errors.push(invalid('spec.nfs.path', nfs.path ?? '', 'must be an absolute path'))
  }
  return errors
}

export function validatePersistentVolume(volume: PersistentVolume): FieldError[] {
  const spec = volume.spec ?? {}
  const errors: FieldError[] = []
  if (!spec.accessModes?.length) errors.push(required('spec.accessModes'))
  errors.push(...validateAccessModes(spec.accessModes ?? [], 'spec.accessModes'))
  const capacity = spec.capacity ?? {}
  if (Object.keys(capacity).length === 0) errors.push(required('spec.capacity'))
  if (capacity['storage'] === undefined || Object.keys(capacity).length > 1) {
    errors.push(notSupported('spec.capacity', spec.capacity ?? null, ['storage']))
  } else if (nanosOf(capacity['storage']) <= 0n) errors.push(invalid('spec.capacity[storage]', capacity['storage'], POSITIVE))
  const policy = spec.persistentVolumeReclaimPolicy
  if (policy && !['Delete', 'Recycle', 'Retain'].includes(policy)) {
    errors.push(notSupported('spec.persistentVolumeReclaimPolicy', policy, ['Delete', 'Recycle', 'Retain']))
  }
  if (spec.nodeAffinity) {
    if (!spec.nodeAffinity.required) errors.push(required('spec.nodeAffinity.required', 'must specify required node constraints'))
    else errors.push(...validateNodeSelector(spec.nodeAffinity.required, 'spec.nodeAffinity.required'))
  }
  errors.push(...validateVolumeSource(spec))
  if (spec.storageClassName) errors.push(...invalidAll('spec.storageClassName', spec.storageClassName, nameIsDnsSubdomain(spec.storageClassName, false)))
  if (spec.volumeMode !== undefined && !VOLUME_MODES.includes(spec.volumeMode)) errors.push(notSupported('spec.volumeMode', spec.volumeMode, VOLUME_MODES))
  if (spec.volumeAttributesClassName !== undefined) {
    if (!spec.volumeAttributesClassName) errors.push(required('spec.volumeAttributesClassName', 'an empty string is disallowed'))
    else errors.push(...invalidAll('spec.volumeAttributesClassName', spec.volumeAttributesClassName, isQualifiedName(spec.volumeAttributesClassName)))
    if (!spec.csi) errors.push(required('spec.csi', 'has to be specified when using volumeAttributesClassName'))
  }
  return errors
}

export function validatePersistentVolumeUpdate(next: PersistentVolume, old: PersistentVolume): FieldError[] {
  const errors = validatePersistentVolume(next)
  const source = (volume: PersistentVolume): string =>
    JSON.stringify(Object.entries(volume.spec ?? {}).filter(([name]) => !NOT_SOURCES.has(name)).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  if (source(next) !== source(old)) errors.push(forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation\n'))
  if (next.spec?.volumeMode !== old.spec?.volumeMode) errors.push(invalid('spec.volumeMode', next.spec?.volumeMode ?? null, IMMUTABLE))
  return errors
}
