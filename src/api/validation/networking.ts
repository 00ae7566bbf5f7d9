import type { FieldError } from '../status.ts'

export function validateEndpointSlice(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateIngress(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateIngressClass(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateIngressClassUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateNetworkPolicy(..._objects: readonly unknown[]): FieldError[] {
  return []
}

