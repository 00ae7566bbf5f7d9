/**
 * Whole numbers that a double cannot hold exactly (`docs/adr/0021`). In the API server they are bigints from the body to the answer, and
 * plain digits in all JSON that this process writes; whoever's types say `number` and who counts with them gets `inDoubles`. What does not
 * fit into 64 bits is a double, as in Go.
 */
import type { JsonValue } from '../resource.ts'

export const { rawJSON: rawJson } = JSON as unknown as { rawJSON(text: string): unknown }
type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown
const parse = JSON.parse as (text: string, reviver?: Reviver) => unknown

// Every JSON that the process writes may hold one.
// oxlint-disable-next-line eslint/no-extend-native
Object.defineProperty(BigInt.prototype, 'toJSON', {
  configurable: true,
  writable: true,
  value(this: bigint): unknown {
    return rawJson(String(this))
  },
})

/** JSON values with a bigint in them are used as such; no code that is typed meets one. */
export const asJsonValue = (value: bigint | number): JsonValue => value as JsonValue

/** Whether this process has met one: nobody looks for them before. */
let met = false

function long(exact: bigint): bigint {
  met = true
  return exact
}

/** Of a decimal number's text. */
export function numberOf(text: string): bigint | number {
  const value = Number(text)
  if (text === '-0') return 0
  if (Number.isSafeInteger(value) || !/^-?\d+$/.test(text)) return value
  const exact = BigInt(text)
  return BigInt.asIntN(64, exact) === exact ? long(exact) : value
}

/** Of 64 bits. */
export function int64Of(bits: bigint): bigint | number {
  const value = BigInt.asIntN(64, bits)
  return Number.isSafeInteger(Number(value)) ? Number(value) : long(value)
}

/** As protobufjs takes it. */
export const halvesOf = (value: bigint): { low: number; high: number; unsigned: boolean } => ({
  low: Number(BigInt.asIntN(32, value)),
  high: Number(BigInt.asIntN(32, value >> 32n)),
  unsigned: false,
})

/** One more, in 64 bits. */
export function increment(value: number): number {
  return asJsonValue(int64Of(BigInt(value) + 1n)) as number
}

const rounded = new WeakMap<object, object>()

/** The same object, or where it holds such a number a copy with doubles. */
export function inDoubles<T extends object>(object: T): T {
  if (!met) return object
  let copy = rounded.get(object)
  if (!copy) {
    const text = JSON.stringify(object)
    copy = mayHoldLong(text) ? (JSON.parse(text) as object) : object
    rounded.set(object, copy)
  }
  return copy as T
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
