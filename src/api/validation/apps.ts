import type { FieldError } from '../status.ts'

export function validateControllerRevision(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateDaemonSet(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateDaemonSetUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateDeployment(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateDeploymentUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateReplicaSet(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateReplicaSetUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateStatefulSet(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateStatefulSetUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validatePodTemplate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateReplicationController(..._objects: readonly unknown[]): FieldError[] {
  return []
}

export function validateReplicationControllerUpdate(..._objects: readonly unknown[]): FieldError[] {
  return []
}

