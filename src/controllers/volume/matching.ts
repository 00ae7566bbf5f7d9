/** Which PersistentVolume fits a claim. No I/O. */
import type { ObjectReference, PersistentVolume, PersistentVolumeClaim } from '../../api/kinds/core/v1.ts'
import { compareQuantity } from '../../api/quantity.ts'
import { labelSelectorMatches } from '../../api/selectors.ts'

const BETA_CLASS = 'volume.beta.kubernetes.io/storage-class'

export function classOf(object: PersistentVolume | PersistentVolumeClaim): string {
  return object.metadata.annotations?.[BETA_CLASS] ?? object.spec.storageClassName ?? ''
}

/** By name, and by uid where the reference has one. */
export function isClaimedBy(reference: ObjectReference | undefined, claim: PersistentVolumeClaim): boolean {
  if (!reference) return false
  const { name, namespace, uid } = claim.metadata
  return reference.name === name && reference.namespace === namespace && (!reference.uid || reference.uid === uid)
}

function fits(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { spec } = claim
  const request = spec.resources?.requests?.['storage'] ?? '0'
  if ((volume.spec.volumeMode ?? 'Filesystem') !== (spec.volumeMode ?? 'Filesystem')) return false
  if ((volume.spec.volumeAttributesClassName ?? '') !== (spec.volumeAttributesClassName ?? '')) return false
  if (!(spec.accessModes ?? []).every((mode) => volume.spec.accessModes?.includes(mode))) return false
  return compareQuantity(volume.spec.capacity?.['storage'] ?? '0', request) >= 0
}

/** The smallest volume that fits; one that names the claim before all others. With `delayed` only such a one: the rest waits for a pod. */
export function findVolume(
  volumes: readonly PersistentVolume[],
  claim: PersistentVolumeClaim,
  delayed: boolean,
): PersistentVolume | undefined {
  const usable = volumes.filter((volume) => volume.metadata.deletionTimestamp === undefined)
  const reserved = usable.find((volume) => isClaimedBy(volume.spec.claimRef, claim) && fits(volume, claim))
  if (reserved || delayed) return reserved
  const free = usable.filter(
    (volume) =>
      !volume.spec.claimRef &&
      volume.status?.phase === 'Available' &&
      classOf(volume) === classOf(claim) &&
      (!claim.spec.selector || labelSelectorMatches(claim.spec.selector, volume.metadata.labels)) &&
      fits(volume, claim),
  )
  return free.toSorted(
    (a, b) =>
      compareQuantity(a.spec.capacity?.['storage'] ?? '0', b.spec.capacity?.['storage'] ?? '0') ||
      (a.metadata.name < b.metadata.name ? -1 : 1),
  )[0]
}

export function referenceTo(claim: PersistentVolumeClaim): ObjectReference {
  const { name, namespace, uid, resourceVersion } = claim.metadata
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion }
}
