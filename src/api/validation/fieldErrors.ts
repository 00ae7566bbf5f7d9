/** Constructors of field errors with upstream's wording (k8s.io/apimachinery/pkg/util/validation/field). */
import { asGiven } from '../codec/goShape.ts'
import { escaped, quote } from '../quote.ts'
import type { FieldError } from '../status.ts'

/** A value as Go prints it inside a message. */
export function show(value: unknown): string {
  if (value === undefined) return 'null'
  if (typeof value === 'number' && (!Number.isSafeInteger(value) || Object.is(value, -0))) return showDouble(value)
  return typeof value === 'string' ? quote(value) : showTyped(value)
}

/** Go's %v of a double: the shortest digits that give it back, with an exponent below 1e-4 and from 1e6 on. */
export function showDouble(value: number): string {
  if (Object.is(value, -0)) return '-0'
  const magnitude = Math.abs(value)
  return magnitude >= 1e-4 && magnitude < 1e6 ? String(value) : value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
}

/** Go's JSON: of whatever is not a plain string, strings with a type of their own among it. */
function showTyped(value: unknown): string {
  return JSON.stringify(value ?? null, shownMember).replace(/[<>&\u2028\u2029]/g, escaped)
}

/** Of a struct that shows no value for its member, what was given for it. */
function shownMember(this: object, name: string, value: unknown): unknown {
  return value === null ? (asGiven(this as Record<string, unknown>, name) ?? null) : value
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

/** Where upstream's value is a string with a type of its own. */
export function invalidTyped(field: string, value: string, detail: string): FieldError {
  return { type: 'FieldValueInvalid', field, message: `Invalid value: ${showTyped(value)}${detail ? `: ${detail}` : ''}` }
}

export function duplicate(field: string, value: unknown): FieldError {
  return { type: 'FieldValueDuplicate', field, message: `Duplicate value: ${show(value)}` }
}

export function notFound(field: string, value: unknown): FieldError {
  return { type: 'FieldValueNotFound', field, message: `Not found: ${show(value)}` }
}

/** `supported` in the order that upstream prints it; the value is a string with a type of its own, or no string. */
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  return unsupported(field, typeof value === 'number' ? show(value) : showTyped(value === undefined ? '' : value), supported)
}

/** Where upstream's value is a plain string. */
export function notSupportedText(field: string, value: string, supported: readonly string[]): FieldError {
  return unsupported(field, show(value), supported)
}

function unsupported(field: string, shown: string, supported: readonly string[]): FieldError {
  return {
    type: 'FieldValueNotSupported',
    field,
    message: `Unsupported value: ${shown}: supported values: ${supported.map(quote).join(', ')}`,
  }
}

export function internalError(field: string, detail: string): FieldError {
  return { type: 'InternalError', field, message: `Internal error: ${detail}` }
}

export function tooLong(field: string, maxBytes: number): FieldError {
  return {
    type: 'FieldValueTooLong',
    field,
    message: `Too long: ${maxBytes < 0 ? 'value is too long' : `may not be more than ${maxBytes} ${maxBytes === 1 ? 'byte' : 'bytes'}`}`,
  }
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  return {
    type: 'FieldValueTooMany',
    field,
    message: `Too many: ${actual}: ${max < 0 ? 'has too many items' : `must have at most ${max} ${max === 1 ? 'item' : 'items'}`}`,
  }
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
