/** Which PersistentVolume fits a claim: one rule for who binds volumes and for who chooses a pod's node. No I/O. */
import type { ObjectReference, PersistentVolume, PersistentVolumeClaim } from './kinds/core/v1.ts'
import { compareQuantity } from './quantity.ts'
import { labelSelectorMatches } from './selectors.ts'

const BETA_CLASS = 'volume.beta.kubernetes.io/storage-class'

export function storageClassOf(object: PersistentVolume | PersistentVolumeClaim): string {
  return object.metadata.annotations?.[BETA_CLASS] ?? object.spec.storageClassName ?? ''
}

/** Whether the claim names a class, or says that it wants none. */
export const hasStorageClass = ({ metadata, spec }: PersistentVolumeClaim): boolean =>
  metadata.annotations?.[BETA_CLASS] !== undefined || spec.storageClassName !== undefined

/** By name, and by uid where the reference has one. */
export function isClaimedBy(reference: ObjectReference | undefined, claim: PersistentVolumeClaim): boolean {
  if (!reference) return false
  const { name, namespace, uid } = claim.metadata
  return reference.name === name && reference.namespace === namespace && (!reference.uid || reference.uid === uid)
}

const capacityOf = ({ spec }: PersistentVolume): string => spec.capacity?.['storage'] ?? '0'

/** How much a claim asks for. */
export const requestedStorage = ({ spec }: PersistentVolumeClaim): string => spec.resources?.requests?.['storage'] ?? '0'

const isLargeEnough = (volume: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  compareQuantity(capacityOf(volume), requestedStorage(claim)) >= 0
const hasMode = ({ spec }: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  (spec.volumeMode ?? 'Filesystem') === (claim.spec.volumeMode ?? 'Filesystem')
const hasAttributes = ({ spec }: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  (spec.volumeAttributesClassName ?? '') === (claim.spec.volumeAttributesClassName ?? '')
const grantsAccess = ({ spec }: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  (claim.spec.accessModes ?? []).every((mode) => spec.accessModes?.includes(mode))

function fits(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  if (volume.metadata.deletionTimestamp !== undefined) return false
  return hasMode(volume, claim) && hasAttributes(volume, claim) && grantsAccess(volume, claim) && isLargeEnough(volume, claim)
}

/** Why a claim cannot have the volume that it names, in upstream's words and order. */
export function misfitOf(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (volume.metadata.deletionTimestamp !== undefined) return `the volume is marked for deletion "${volume.metadata.name}"`
  if (!isLargeEnough(volume, claim)) return 'requested PV is too small'
  if (storageClassOf(volume) !== storageClassOf(claim)) return 'storageClassName does not match'
  if (!hasAttributes(volume, claim)) return 'volumeAttributesClassName does not match'
  if (!hasMode(volume, claim)) return 'incompatible volumeMode'
  return grantsAccess(volume, claim) ? undefined : 'incompatible accessMode'
}

/** The volume that names the claim already: it is to be had before all others. */
export function reservedVolume(volumes: readonly PersistentVolume[], claim: PersistentVolumeClaim): PersistentVolume | undefined {
  return volumes.find((volume) => isClaimedBy(volume.spec.claimRef, claim) && fits(volume, claim))
}

/** The volumes of nobody that fit, the smallest first. */
export function freeVolumes(volumes: readonly PersistentVolume[], claim: PersistentVolumeClaim): PersistentVolume[] {
  const free = volumes.filter(
    (volume) =>
      !volume.spec.claimRef &&
      volume.status?.phase === 'Available' &&
      storageClassOf(volume) === storageClassOf(claim) &&
      (!claim.spec.selector || labelSelectorMatches(claim.spec.selector, volume.metadata.labels)) &&
      fits(volume, claim),
  )
  return free.sort((a, b) => compareQuantity(capacityOf(a), capacityOf(b)) || (a.metadata.name < b.metadata.name ? -1 : 1))
}

export function referenceTo(claim: PersistentVolumeClaim): ObjectReference {
  const { name, namespace, uid, resourceVersion } = claim.metadata
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion }
}

export const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller'

/** The volume with the claim's name on it, marked unless somebody else had put it there. */
export function boundTo(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  const { metadata, spec } = volume
  const wasReserved = isClaimedBy(spec.claimRef, claim)
  const annotations = { ...metadata.annotations, ...(!wasReserved && { [BOUND_BY_CONTROLLER]: 'yes' }) }
  const claimRef = wasReserved && spec.claimRef?.uid ? spec.claimRef : referenceTo(claim)
  return { ...volume, metadata: { ...metadata, annotations }, spec: { ...spec, claimRef } }
}
