import type { FieldError } from '../status.ts'

export function validateCronJob(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateCronJobUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateJob(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateJobUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

