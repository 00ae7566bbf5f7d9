/** `'%s is %d'.format([…])`: cel-go's clauses, in the manner of en_US. */
import { isUtf8 } from 'node:buffer'
import { Duration, Fault, ListValue, MapValue, Timestamp, TypeValue, Uint, Work, typeNameOf } from '../values.ts'
import { quote as quoted } from '../../api/quote.ts'
import { formatDouble } from './numbers.ts'
import { formatDuration, formatTimestamp } from './time.ts'
import type { Value } from '../values.ts'

const PRECISION = 6
const PRECISION_LIMIT = 1000

function fixed(value: number, precision: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '-∞'
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}${precision > 0 ? `.${'0'.repeat(precision)}` : ''}`
  const digits = Math.min(precision, 100)
  return value.toFixed(digits) + '0'.repeat(precision - digits)
}

const grouped = (text: string): string => {
  const [whole = '', fraction] = text.split('.')
  const withCommas = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? withCommas : `${withCommas}.${fraction}`
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹'

/** Always with six digits: what is asked for as a precision, cel-go takes for a width. */
function scientific(value: number): string {
  if (!Number.isFinite(value)) return fixed(value, 0)
  const [digits = '', exponent = ''] = value.toExponential(PRECISION).split('e')
  const magnitude = exponent.slice(1).padStart(2, '0')
  const raised = [...magnitude].map((digit) => SUPERSCRIPTS[Number(digit)]!).join('')
  return `${digits}×10${exponent.startsWith('-') ? '⁻' : ''}${raised}`
}

const STRINGS_ALONE =
  'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps'

/** Which types a clause is for, and what it says of others. */
const ACCEPTED: Readonly<Record<string, { types: readonly string[]; says: string }>> = {
  s: {
    types: ['list', 'map', 'int', 'uint', 'double', 'bool', 'string', 'bytes', 'type', 'null_type', 'timestamp', 'duration'],
    says: STRINGS_ALONE,
  },
  d: { types: ['int', 'uint'], says: 'decimal clause can only be used on integers' },
  f: { types: ['double', 'string'], says: 'fixed-point clause can only be used on doubles' },
  e: { types: ['double', 'string'], says: 'scientific clause can only be used on doubles' },
  b: { types: ['int', 'uint', 'bool'], says: 'only integers and bools can be formatted as binary' },
  x: { types: ['int', 'uint', 'string', 'bytes'], says: 'only integers, byte buffers, and strings can be formatted as hex' },
  X: { types: ['int', 'uint', 'string', 'bytes'], says: 'only integers, byte buffers, and strings can be formatted as hex' },
  o: { types: ['int', 'uint'], says: 'octal clause can only be used on integers' },
}

/** What a clause says of an argument of the type, given by its kind and its name; undefined where it takes it. */
export function clauseError(letter: string, kind: string, name: string): string | undefined {
  const { types, says } = ACCEPTED[letter]!
  return types.includes(kind) ? undefined : `error during formatting: ${says}, was given ${name}`
}

const fault = (letter: string, value: Value): Fault => new Fault(`${ACCEPTED[letter]!.says}, was given ${typeNameOf(value)}`)

function decimal(value: Value): string {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint) return String(value.value)
  throw fault('d', value)
}

/** As an item of a list or a map shows itself. */
function itemText(value: Value, work: Work): string {
  if (typeof value === 'string') return quoted(value)
  if (value instanceof Uint8Array) return `b${quoted(Buffer.from(value).toString())}`
  if (typeof value === 'number') return Number.isFinite(value) ? fixed(value, PRECISION) : quoted(formatDouble(value))
  if (value instanceof Timestamp) return `timestamp(${quoted(formatTimestamp(value))})`
  if (value instanceof Duration) return `duration(${quoted(formatDuration(value))})`
  return stringText(value, work)
}

function keyText(key: Value, work: Work): string {
  const isKey = typeof key === 'string' || typeof key === 'boolean' || typeof key === 'bigint' || key instanceof Uint
  if (!isKey) throw new Fault(`no formatting function for map key of type ${typeNameOf(key)}`)
  return itemText(key, work)
}

function bytesText(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return Buffer.from(bytes).toString()
  throw new Fault('could not convert argument "invalid UTF-8 in bytes, cannot convert to string" to string')
}

function stringText(value: Value, work = new Work()): string {
  work.step()
  if (value === null) return 'null'
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return formatDouble(value)
  if (value instanceof Uint) return String(value.value)
  if (value instanceof Uint8Array) return bytesText(value)
  if (value instanceof Timestamp) return formatTimestamp(value)
  if (value instanceof Duration) return formatDuration(value)
  if (value instanceof TypeValue) return value.name
  if (value instanceof ListValue) return `[${[...value].map((item) => itemText(item, work)).join(', ')}]`
  if (value instanceof MapValue) {
    const entries = value.keys().map((key) => [keyText(key, work), itemText(value.get(key)!, work)] as const)
    return `{${entries
      .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, item]) => `${key}:${item}`)
      .join(', ')}}`
  }
  throw fault('s', value)
}

const SPECIAL: Readonly<Record<string, number>> = { NaN, Infinity, '-Infinity': -Infinity }

function doubleOf(value: Value, letter: string): number {
  if (typeof value === 'number') return value
  if (typeof value === 'string' && Object.hasOwn(SPECIAL, value)) return SPECIAL[value]!
  throw fault(letter, value)
}

function binary(value: Value): string {
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (typeof value === 'bigint') return value.toString(2)
  if (value instanceof Uint) return value.value.toString(2)
  throw fault('b', value)
}

function hex(value: Value): string {
  if (typeof value === 'bigint') return value.toString(16)
  if (value instanceof Uint) return value.value.toString(16)
  if (typeof value === 'string' || value instanceof Uint8Array) return Buffer.from(value as string).toString('hex')
  throw fault('x', value)
}

function octal(value: Value): string {
  if (typeof value === 'bigint') return value.toString(8)
  if (value instanceof Uint) return value.value.toString(8)
  throw fault('o', value)
}

const CLAUSES: Readonly<Record<string, (value: Value, precision: number) => string>> = {
  s: (value) => stringText(value),
  d: decimal,
  f: (value, precision) => grouped(fixed(doubleOf(value, 'f'), precision)),
  e: (value) => scientific(doubleOf(value, 'e')),
  b: binary,
  x: hex,
  X: (value) => hex(value).toUpperCase(),
  o: octal,
}

const CLAUSE = /%(?:%|(?:\.(\d*))?([^%.]|$))/g

/** What a text asks to be formatted: the letter of each clause. @throws Fault for what is no clause */
export function clausesOf(text: string): { letter: string; precision: number }[] {
  const clauses: { letter: string; precision: number }[] = []
  for (const [whole, precision, letter] of text.matchAll(CLAUSE)) {
    if (whole === '%%') continue
    if (!letter) throw new Fault('unexpected end of string')
    if (precision === '') {
      const why = 'error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax'
      throw new Fault(`could not parse formatting clause: error while parsing precision: ${why}`)
    }
    if (!Object.hasOwn(CLAUSES, letter)) throw new Fault(`could not parse formatting clause: unrecognized formatting clause "${letter}"`)
    clauses.push({ letter, precision: Math.min(Number(precision ?? PRECISION), PRECISION_LIMIT) })
  }
  return clauses
}

export function formatText(text: string, args: ListValue): string {
  const clauses = clausesOf(text)
  let next = 0
  return text.replace(CLAUSE, (whole) => {
    if (whole === '%%') return '%'
    if (next >= args.size) throw new Fault(`index ${next} out of range`)
    const { letter, precision } = clauses[next]!
    try {
      return CLAUSES[letter]!(args.at(next++), precision)
    } catch (error) {
      if (error instanceof Fault) throw new Fault(`error during formatting: ${error.message}`)
      throw error
    }
  })
}
