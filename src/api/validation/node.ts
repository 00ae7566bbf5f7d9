import type { FieldError } from '../status.ts'

export function validateNode(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateNodeUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

