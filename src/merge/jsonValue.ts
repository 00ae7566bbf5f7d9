/** Plain JSON, as patches take it apart: the types, and how Go prints it in upstream's messages. */
import { NumberText } from '../api/codec/jsonTree.ts'

export type JsonObject = { readonly [key: string]: unknown }

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof NumberText)
}

/** Go's `%v` of decoded JSON: `map[image:x name:one]`, `[a b]`. */
export function goFormat(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(goFormat).join(' ')}]`
  if (!isObject(value)) return String(value)
  const keys = Object.keys(value).sort()
  return `map[${keys.map((key) => `${key}:${goFormat(value[key])}`).join(' ')}]`
}

/** What encoding/json calls the kind of a value in its errors. */
export function goJsonKind(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  return value === null ? 'null' : typeof value
}
