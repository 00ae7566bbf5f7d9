import type { FieldError } from '../status.ts'

export function validateDisruptionBudget(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateHorizontalPodAutoscaler(..._objects: readonly unknown[]): FieldError[] {
  return []
}

