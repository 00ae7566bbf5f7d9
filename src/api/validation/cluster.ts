import type { FieldError } from '../status.ts'

export function validateLease(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validatePriorityClass(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validatePriorityClassUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateRuntimeClass(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateRuntimeClassUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

