/**
 * Resource quantities (k8s.io/apimachinery/pkg/api/resource): `500m`, `1Gi`, `2e3`. Values are exact, counted in nano units as
 * a bigint, since nothing smaller than a nano can be said: parsing rounds up to it, as upstream does. Every function
 * takes a parsed quantity or its text.
 */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent'

export interface Quantity {
  readonly nanos: bigint
  readonly format: QuantityFormat
  /** The text as it was given, where upstream takes it for canonical without looking twice (`05`, `1.500`). */
  readonly text?: string
}

export type QuantityLike = Quantity | string

export class QuantityError extends Error {
  override readonly name = 'QuantityError'
}

const FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
const SUFFIX_WRONG = "unable to parse quantity's suffix"

const NANO_EXPONENT = 9
const NANO = 10n ** 9n
/** Past this a decimal exponent is refused: nobody means it, and the number would not fit into memory. */
const MAX_EXPONENT = 100
/** Digits that surely fit an int64. */
const MAX_INT64_DIGITS = 18
const MAX_INT64 = 2n ** 63n - 1n

const DECIMAL_SUFFIXES = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
])
const BINARY_SUFFIXES = new Map([
  ['Ki', 10],
  ['Mi', 20],
  ['Gi', 30],
  ['Ti', 40],
  ['Pi', 50],
  ['Ei', 60],
])
const DECIMAL_BY_EXPONENT = new Map([...DECIMAL_SUFFIXES].map(([suffix, exponent]) => [exponent, suffix]))
const BINARY_BY_EXPONENT = new Map([...BINARY_SUFFIXES].map(([suffix, exponent]) => [exponent, suffix]))

const GRAMMAR = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/

interface Suffix {
  exponent: number
  format: QuantityFormat
}

function parseSuffix(suffix: string): Suffix {
  const decimal = DECIMAL_SUFFIXES.get(suffix)
  if (decimal !== undefined) return { exponent: decimal, format: 'DecimalSI' }
  const binary = BINARY_SUFFIXES.get(suffix)
  if (binary !== undefined) return { exponent: binary, format: 'BinarySI' }
  if (!/^[eE][-+]?\d+$/.test(suffix)) throw new QuantityError(SUFFIX_WRONG)
  const exponent = Number(suffix.slice(1))
  if (Math.abs(exponent) > MAX_EXPONENT) throw new QuantityError(SUFFIX_WRONG)
  return { exponent, format: 'DecimalExponent' }
}

/** `magnitude * 10^exponent`, rounded up (away from zero) to an integer. */
function shifted(magnitude: bigint, exponent: number): bigint {
  if (exponent >= 0) return magnitude * 10n ** BigInt(exponent)
  return divideUp(magnitude, 10n ** BigInt(-exponent))
}

function divideUp(magnitude: bigint, divisor: bigint): bigint {
  return (magnitude + divisor - 1n) / divisor
}

/** Whether upstream keeps the text as it is rather than formatting the value anew. */
function keepsText(integer: string, fraction: string, { exponent, format }: Suffix): boolean {
  if (format === 'BinarySI') {
    const fits = 15 - integer.length - Math.trunc((exponent * 3) / 10) - 1 >= 0
    return fits && fraction === '' && exponent % 10 === 0 && (BigInt(integer) & 7n) !== 0n
  }
  const digits = integer + fraction
  const scale = exponent - fraction.length
  return digits.length <= MAX_INT64_DIGITS && scale >= -NANO_EXPONENT && scale % 3 === 0 && !digits.endsWith('000') && digits[0] !== '0'
}

/** Throws QuantityError with upstream's words. */
export function parseQuantity(text: string): Quantity {
  const match = GRAMMAR.exec(text)
  if (!match || text === '') throw new QuantityError(FORMAT_WRONG)
  const [, sign, digits = '', fraction = '', suffixText = ''] = match as unknown as [string, string, string?, string?, string?]
  const suffix = parseSuffix(suffixText)
  const integer = digits.replace(/^0+/, '') || '0'
  const magnitude = BigInt(integer + fraction)
  let nanos: bigint
  if (suffix.format === 'BinarySI') {
    nanos = shifted(magnitude << BigInt(suffix.exponent), NANO_EXPONENT - fraction.length)
    if (nanos > MAX_INT64 * NANO) nanos = MAX_INT64 * NANO
  } else {
    nanos = shifted(magnitude, NANO_EXPONENT + suffix.exponent - fraction.length)
  }
  const format = suffix.format === 'BinarySI' && nanos > 0n && nanos < NANO ? 'DecimalSI' : suffix.format
  return {
    nanos: sign === '-' ? -nanos : nanos,
    format,
    ...(keepsText(integer, fraction, suffix) && { text }),
  }
}

const toQuantity = (q: QuantityLike): Quantity => (typeof q === 'string' ? parseQuantity(q) : q)

function formatDecimal(nanos: bigint, format: QuantityFormat): string {
  const digits = String(nanos)
  // In the text, since dividing a number of a million digits again and again would take minutes.
  const thousands = Math.floor((digits.length - digits.replace(/0+$/, '').length) / 3)
  const amount = digits.slice(0, digits.length - 3 * thousands)
  const exponent = 3 * thousands - NANO_EXPONENT
  if (format === 'DecimalExponent') return exponent === 0 ? `${amount}` : `${amount}e${exponent}`
  return `${amount}${DECIMAL_BY_EXPONENT.get(exponent) ?? ''}`
}

/** The canonical form: no fraction, the largest suffix that loses nothing. */
export function formatQuantity(q: QuantityLike): string {
  const { nanos, format, text } = toQuantity(q)
  if (text !== undefined) return text
  if (nanos === 0n) return '0'
  const magnitude = nanos < 0n ? -nanos : nanos
  if (format !== 'BinarySI' || magnitude < 1024n * NANO || magnitude % NANO !== 0n)
    return formatDecimal(nanos, format === 'DecimalExponent' ? format : 'DecimalSI')
  let amount = nanos / NANO
  let exponent = 0
  while (amount % 1024n === 0n) {
    amount /= 1024n
    exponent += 10
  }
  return `${amount}${BINARY_BY_EXPONENT.get(exponent) ?? ''}`
}

/** Most quantities that arrive are canonical already; those need no arithmetic. */
const SURELY_CANONICAL = /^(?:[1-9]\d{0,8}(?:[13579]|Ki|Mi|Gi)|[1-9]\d?[mkMGT]?|[1-9]\d{0,6}[1-9]0{0,2}[mkMGT]?)$/

/** The text as the API shows it. Throws QuantityError. */
export function canonicalQuantity(text: string): string {
  if (SURELY_CANONICAL.test(text) && !text.endsWith('i')) return text
  return formatQuantity(parseQuantity(text))
}

export function compareQuantity(a: QuantityLike, b: QuantityLike): -1 | 0 | 1 {
  const x = toQuantity(a).nanos
  const y = toQuantity(b).nanos
  return x < y ? -1 : x > y ? 1 : 0
}

/** The sum; it is written like `a`, or like `b` where `a` is zero. */
export function addQuantity(a: QuantityLike, b: QuantityLike): Quantity {
  const [x, y] = [toQuantity(a), toQuantity(b)]
  return { nanos: x.nanos + y.nanos, format: x.nanos === 0n ? y.format : x.format }
}

export function subQuantity(a: QuantityLike, b: QuantityLike): Quantity {
  const [x, y] = [toQuantity(a), toQuantity(b)]
  return { nanos: x.nanos - y.nanos, format: x.nanos === 0n ? y.format : x.format }
}

/** -1, 0 or 1. */
export function quantitySign(q: QuantityLike): -1 | 0 | 1 {
  const { nanos } = toQuantity(q)
  return nanos < 0n ? -1 : nanos > 0n ? 1 : 0
}

function roundedUp(nanos: bigint, unit: bigint): bigint {
  return nanos < 0n ? -divideUp(-nanos, unit) : divideUp(nanos, unit)
}

/** The value in whole units, rounded up away from zero (upstream's `Value()`). */
export function quantityValue(q: QuantityLike): number {
  return Number(roundedUp(toQuantity(q).nanos, NANO))
}

/** In thousandths, rounded up (upstream's `MilliValue()`). */
export function quantityMilliValue(q: QuantityLike): number {
  return Number(roundedUp(toQuantity(q).nanos, NANO / 1000n))
}

/** A value in whole units. */
export function newQuantity(value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { nanos: BigInt(value) * NANO, format }
}

export function newMilliQuantity(milliValue: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { nanos: BigInt(milliValue) * (NANO / 1000n), format }
}
