/** Rules of plain values that many kinds share. */
import { invalid, notSupported } from './fieldErrors.ts'
import { nanosOf } from './quantities.ts'
import type { FieldError } from '../status.ts'

export const NOT_NEGATIVE = 'must be greater than or equal to 0'

export function validateNotNegative(value: number | undefined, path: string): FieldError[] {
  return value !== undefined && value < 0 ? [invalid(path, value, NOT_NEGATIVE)] : []
}

export function validateEnum(value: string | undefined, path: string, supported: readonly string[]): FieldError[] {
  return value !== undefined && !supported.includes(value) ? [notSupported(path, value, supported)] : []
}

export function validateQuantityNotNegative(value: string, path: string): FieldError[] {
  return nanosOf(value) < 0n ? [invalid(path, value, NOT_NEGATIVE)] : []
}

