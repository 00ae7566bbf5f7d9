/** Constructors of field errors with upstream's wording (k8s.io/apimachinery/pkg/util/validation/field). */
import type { FieldError } from '../status.ts'

/** A value as Go prints it inside a message. */
export function show(value: unknown): string {
  if (value === undefined) return 'null'
  if (typeof value === 'string') return quote(value)
  const text = JSON.stringify(value)
  return typeof value === 'object' ? text.replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`) : text
}

/** Go's %q. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\u009f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

export function required(field: string, detail = ''): FieldError {
  return { type: 'FieldValueRequired', field, message: detail ? `Required value: ${detail}` : 'Required value' }
}

export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { type: 'FieldValueInvalid', field, message: `Invalid value: ${show(value)}${detail ? `: ${detail}` : ''}` }
}

/** Where upstream leaves the value out of the message. */
export function invalidShape(field: string, detail: string): FieldError {
  return { type: 'FieldValueInvalid', field, message: `Invalid value: ${detail}` }
}

export function forbidden(field: string, detail: string): FieldError {
  return { type: 'FieldValueForbidden', field, message: `Forbidden: ${detail}` }
}

export function duplicate(field: string, value: unknown): FieldError {
  return { type: 'FieldValueDuplicate', field, message: `Duplicate value: ${show(value)}` }
}

export function notFound(field: string, value: unknown): FieldError {
  return { type: 'FieldValueNotFound', field, message: `Not found: ${show(value)}` }
}

/** `supported` in the order that upstream prints it. */
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const message = `Unsupported value: ${show(value)}: supported values: ${supported.map(quote).join(', ')}`
  return { type: 'FieldValueNotSupported', field, message }
}

export function tooLong(field: string, maxBytes: number): FieldError {
  return { type: 'FieldValueTooLong', field, message: `Too long: may not be more than ${maxBytes} bytes` }
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  return { type: 'FieldValueTooMany', field, message: `Too many: ${actual}: must have at most ${max} items` }
}

export const IMMUTABLE = 'field is immutable'

/** A map as Go prints it: by key, null for none. */
export function goMap(map: Readonly<Record<string, string>> | undefined): object | null {
  return map ? Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1))) : null
}

/** Adds one error for each rule that the value breaks. */
export function check(errors: FieldError[], field: string, value: unknown, broken: readonly string[]): void {
  for (const detail of broken) errors.push(invalid(field, value, detail))
}

/** One error for each failed rule of a value. */
export function invalidAll(field: string, value: unknown, details: readonly string[]): FieldError[] {
  return details.map((detail) => invalid(field, value, detail))
}
