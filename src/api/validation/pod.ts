import type { FieldError } from '../status.ts'

export function validatePod(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validatePodUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validatePodStatusUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateEphemeralContainersUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validatePodResize(..._objects: readonly unknown[]): FieldError[] {
  return []
}

