/**
 * Whole numbers that a double cannot hold exactly. In custom resources, whose fields nobody's types declare, they are bigints from the body
 * to the answer, and plain digits in all JSON that this process writes. What does not fit into 64 bits is a double, as in Go.
 */
import type { JsonValue } from '../resource.ts'

const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }
type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown
const parse = JSON.parse as (text: string, reviver?: Reviver) => unknown

// Every JSON that the process writes may hold one.
// oxlint-disable-next-line eslint/no-extend-native
Object.defineProperty(BigInt.prototype, 'toJSON', {
  configurable: true,
  writable: true,
  value(this: bigint): unknown {
    return rawJSON(String(this))
  },
})

/** JSON values with a bigint in them are used as such; no code that is typed meets one. */
export const asJsonValue = (value: bigint | number): JsonValue => value as JsonValue

/** The largest double whose digits, as JSON writes them, still are an int64. */
const LARGEST_INT64_DOUBLE = 2 ** 63 - 1024

/** Of an int64 in a typed object, where numbers are doubles: near its bounds what everybody can read again. */
export const int64Double = (value: number): number => Math.max(-LARGEST_INT64_DOUBLE, Math.min(LARGEST_INT64_DOUBLE, value))

/** Of a decimal number's text. */
export function numberOf(text: string): bigint | number {
  const value = Number(text)
  if (Number.isSafeInteger(value) || !/^-?\d+$/.test(text)) return value
  const exact = BigInt(text)
  return BigInt.asIntN(64, exact) === exact ? exact : value
}

const LONG = /[:[,]\s*-?\d{16}/

/** Whether the JSON may hold such a number. */
export const mayHoldLong = (text: string): boolean => LONG.test(text)

/** As JSON.parse, with such numbers as bigints. */
export function parseExactly(text: string): unknown {
  return parse(text, (_, value, { source }) => (typeof value === 'number' && source !== undefined ? numberOf(source) : value))
}

/** Whole numbers, in either form. */
export const isWhole = (value: unknown): value is number | bigint =>
  typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))
