import type { FieldError } from '../status.ts'

export function validatePersistentVolume(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validatePersistentVolumeClaim(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validatePersistentVolumeClaimUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validatePersistentVolumeUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

