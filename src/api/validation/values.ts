/** Rules of plain values that many kinds share. */
import { deepEqual } from '../meta.ts'
import { check, IMMUTABLE, invalid, notSupported, required } from './fieldErrors.ts'
import { isPercent } from './names.ts'
import type { FieldError } from '../status.ts'

export const NOT_NEGATIVE = 'must be greater than or equal to 0'

export const NOT_POSITIVE = 'must be greater than zero'

export function validateEnum(value: string | undefined, path: string, supported: readonly string[]): FieldError[] {
  return value !== undefined && !supported.includes(value) ? [notSupported(path, value, supported)] : []
}

/** Octal 0777 is the most that a file's mode may be. */
const MAX_FILE_MODE = 0o777

export function checkFileMode(errors: FieldError[], path: string, mode: number | undefined): void {
  if (mode !== undefined && (mode < 0 || mode > MAX_FILE_MODE))
    errors.push(invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive'))
}

export function checkNotNegative(errors: FieldError[], path: string, value: number | undefined): void {
  if (value !== undefined && value < 0) errors.push(invalid(path, value, NOT_NEGATIVE))
}

export function checkPositive(errors: FieldError[], path: string, value: number | undefined): void {
  if (value !== undefined && value <= 0) errors.push(invalid(path, value, NOT_POSITIVE))
}

/** `supported` in the order that upstream prints it; nothing given is an error of its own. */
export function checkOneOf(errors: FieldError[], path: string, value: string | undefined, supported: readonly string[]): void {
  if (!value) errors.push(required(path))
  else if (!supported.includes(value)) errors.push(notSupported(path, value, supported))
}

/** No step back to a parent folder. */
export function checkNoBacksteps(errors: FieldError[], path: string, value: string): void {
  if (value.includes('..') && value.split('/').includes('..')) errors.push(invalid(path, value, "must not contain '..'"))
}

export function checkDescendingPath(errors: FieldError[], path: string, value: string): void {
  if (value.startsWith('/')) errors.push(invalid(path, value, 'must be a relative path'))
  checkNoBacksteps(errors, path, value)
}

/** A file's place inside a volume, where `..` names are the kubelet's own. */
export function checkLocalPath(errors: FieldError[], path: string, value: string): void {
  checkDescendingPath(errors, path, value)
  if (value.startsWith('..') && !value.startsWith('../')) errors.push(invalid(path, value, "must not start with '..'"))
}

/** A number of things or a share of them. */
export function checkIntOrPercent(errors: FieldError[], path: string, value: number | string): void {
  if (typeof value === 'number') checkNotNegative(errors, path, value)
  else check(errors, path, value, isPercent(value))
}

export function checkAtMost100Percent(errors: FieldError[], path: string, value: number | string): void {
  if (typeof value === 'string' && isPercent(value).length === 0 && Number.parseInt(value, 10) > 100)
    errors.push(invalid(path, value, 'must not be greater than 100%'))
}

/** The number or the share's number; 0 for what is neither. */
export function intOrPercent(value: number | string): number {
  if (typeof value === 'number') return value
  return /^(\d+%|[+-]?\d+)$/.test(value) ? Number.parseInt(value, 10) : 0
}

export function checkImmutable(errors: FieldError[], path: string, next: unknown, old: unknown, shown: unknown = next): void {
  if (!deepEqual(next ?? null, old ?? null)) errors.push(invalid(path, shown ?? null, IMMUTABLE))
}
