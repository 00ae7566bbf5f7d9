import type { FieldError } from '../status.ts'

export function validateEndpoints(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateService(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateServiceUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

