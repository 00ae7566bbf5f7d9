import type { FieldError } from '../status.ts'

export function validateCertificateSigningRequestApproval(..._objects: readonly unknown[]): FieldError[] {
  return []
}

