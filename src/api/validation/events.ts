import type { FieldError } from '../status.ts'

export function validateEvent(..._objects: readonly unknown[]): FieldError[] {
  return []
}

