import type { FieldError } from '../status.ts'

export function validateCsiDriver(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateCsiNode(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateStorageClass(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateStorageClassUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateVolumeAttachment(..._objects: readonly unknown[]): FieldError[] {
  return []
}

