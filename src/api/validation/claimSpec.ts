/** What a persistent volume claim may ask for, in a claim of its own or in a template of one. */
import { asGiven } from '../codec/goShape.ts'
import { check, forbidden, invalid, notSupported, required } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import { isDns1123Subdomain, nameIsDnsLabel, nameIsDnsSubdomain } from './names.ts'
import { validateAnnotations, validateLabels } from './objectMeta.ts'
import { nanosOf } from './quantities.ts'
import { NOT_POSITIVE } from './values.ts'
import type { PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate, TypedObjectReference } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']
export const VOLUME_MODES = ['Block', 'Filesystem']

export function checkAccessModes(errors: FieldError[], modes: readonly string[], path: string): void {
  for (const mode of modes) if (!ACCESS_MODES.includes(mode)) errors.push(notSupported(path, mode, ACCESS_MODES))
  const others = modes.some((mode) => mode !== 'ReadWriteOncePod' && ACCESS_MODES.includes(mode))
  if (others && modes.includes('ReadWriteOncePod')) errors.push(forbidden(path, 'may not use ReadWriteOncePod with other access modes'))
}

/** Volumes that a claim is filled from. */
function checkDataSource(errors: FieldError[], source: TypedObjectReference, anyGroup: boolean, path: string): void {
  const { apiGroup = '', kind, name, namespace } = source
  if (!name) errors.push(required(`${path}.name`))
  if (!kind) errors.push(required(`${path}.kind`))
  if (!apiGroup && kind !== 'PersistentVolumeClaim')
    errors.push(invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"))
  if (apiGroup && !anyGroup) check(errors, `${path}.apiGroup`, apiGroup, isDns1123Subdomain(apiGroup))
  if (namespace) check(errors, `${path}.namespace`, namespace, nameIsDnsLabel(namespace, false))
}

export interface ClaimOptions {
  /** The object had such a group already. */
  anyDataSourceGroup?: boolean
}

export function checkClaimSpec(errors: FieldError[], spec: PersistentVolumeClaimSpec, path: string, options: ClaimOptions = {}): void {
  const { accessModes = [], selector, storageClassName, volumeMode, dataSource, dataSourceRef, volumeAttributesClassName } = spec
  if (accessModes.length === 0) errors.push(required(`${path}.accessModes`, 'at least 1 access mode is required'))
  errors.push(...validateLabelSelector(selector, `${path}.selector`))
  checkAccessModes(errors, accessModes, `${path}.accessModes`)
  const storage = spec.resources?.requests?.['storage']
  if (storage === undefined) errors.push(required(`${path}.resources[storage]`))
  else if (nanosOf(storage) <= 0n) errors.push(invalid(`${path}.resources[storage]`, storage, NOT_POSITIVE))
  if (storageClassName) check(errors, `${path}.storageClassName`, storageClassName, nameIsDnsSubdomain(storageClassName, false))
  if (volumeMode !== undefined && !VOLUME_MODES.includes(volumeMode))
    errors.push(notSupported(`${path}.volumeMode`, volumeMode, VOLUME_MODES))
  const anyGroup = options.anyDataSourceGroup ?? false
  if (dataSource) checkDataSource(errors, dataSource, anyGroup, `${path}.dataSource`)
  if (dataSourceRef) checkDataSource(errors, dataSourceRef, anyGroup, `${path}.dataSourceRef`)
  if (dataSource && dataSourceRef) {
    const same =
      dataSource.apiGroup === dataSourceRef.apiGroup && dataSource.kind === dataSourceRef.kind && dataSource.name === dataSourceRef.name
    if (dataSourceRef.namespace) errors.push(invalid(path, {}, 'may not be specified when dataSourceRef.namespace is specified'))
    else if (!same) errors.push(invalid(path, {}, 'must match dataSourceRef'))
  }
  if (volumeAttributesClassName) {
    check(errors, `${path}.volumeAttributesClassName`, volumeAttributesClassName, nameIsDnsSubdomain(volumeAttributesClassName, false))
  }
}

const LISTS_OF_METADATA = ['ownerReferences', 'finalizers', 'managedFields'] as const

/** Of a template's metadata only labels and annotations reach the claim. */
export function checkTemplateMetadata(
  errors: FieldError[],
  metadata: NonNullable<PersistentVolumeClaimTemplate['metadata']>,
  path: string,
): void {
  const { annotations, labels, ...others } = metadata
  const lists = Object.fromEntries(LISTS_OF_METADATA.map((field) => [field, asGiven(metadata, field)]))
  if (annotations) errors.push(...validateAnnotations(annotations, `${path}.annotations`))
  if (labels) errors.push(...validateLabels(labels, `${path}.labels`))
  for (const [field, value] of Object.entries({ ...others, ...lists })) {
    const isSet =
      typeof value === 'string' ? value !== '' : value !== undefined && value !== null && (value !== 0 || field !== 'generation')
    // Upstream makes the path from its own name of the field.
    if (isSet) errors.push(forbidden(`${path}.${field === 'uid' ? 'uID' : field}`, 'cannot be set'))
  }
}

export function checkClaimTemplate(errors: FieldError[], template: PersistentVolumeClaimTemplate, path: string): void {
  if (template.metadata) checkTemplateMetadata(errors, template.metadata, `${path}.metadata`)
  checkClaimSpec(errors, template.spec, `${path}.spec`)
}
