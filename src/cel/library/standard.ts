/** The standard functions of the language, operators of arithmetic and order aside. */
import { equals, equalsOrFails } from '../comparing.ts'
import { func, member } from '../overloads.ts'
import { parseInt64, parseUint64 } from '../literals.ts'
import { Fault, TypeValue, Uint, sizeOf, typeNameOf } from '../values.ts'
import { int, timestamp, uint } from './arithmetic.ts'
import { formatDuration, formatTimestamp, parseDuration, parseTimestamp } from './time.ts'
import { patternOf } from './re2.ts'
import { formatDouble } from './numbers.ts'
import type { Overload } from '../overloads.ts'
import type { Duration, ListValue, MapValue, Timestamp, Value } from '../values.ts'

const same = (value: Value): Value => value

function converted<T>(value: T | undefined, to: string): T {
  if (value === undefined) throw new Fault(`type conversion error from 'string' to '${to}'`)
  return value
}

const BOOLS: Readonly<Record<string, boolean>> = Object.fromEntries([
  ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true]),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false]),
])

const stringToInt = (text: string): bigint | undefined =>
  /^[+-]?\d+$/.test(text) ? parseInt64(text.replace(/^[+-]/, ''), text.startsWith('-')) : undefined

const DOUBLE = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const SPECIAL_DOUBLES: Readonly<Record<string, number>> = {
  inf: Infinity,
  infinity: Infinity,
  '+inf': Infinity,
  '+infinity': Infinity,
  '-inf': -Infinity,
  '-infinity': -Infinity,
  nan: NaN,
}

function stringToDouble(text: string): number | undefined {
  if (!DOUBLE.test(text)) return SPECIAL_DOUBLES[text.toLowerCase()]
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}

function doubleToInt(value: number): bigint {
  if (!Number.isFinite(value) || value <= -(2 ** 63) || value >= 2 ** 63) throw new Fault('integer overflow')
  return BigInt(Math.trunc(value))
}

function doubleToUint(value: number): Uint {
  if (!Number.isFinite(value) || value < 0 || value >= 2 ** 64) throw new Fault('unsigned integer overflow')
  return new Uint(BigInt(Math.trunc(value)))
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function bytesToString(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new Fault('invalid UTF-8 in bytes, cannot convert to string')
  }
}

const size = (value: Value): bigint => BigInt(sizeOf(value))

function inList(item: Value, list: ListValue): boolean {
  for (let i = 0; i < list.size; i++) if (equals(item, list.at(i))) return true
  return false
}

const SECOND = 1_000_000_000n

const typeValue = (value: Value): TypeValue => new TypeValue(typeNameOf(value))

export const STANDARD: readonly Overload[] = [
  func('conditional', '_?_:_', 'bool, A, A', 'A', same),
  func('logical_and', '_&&_', 'bool, bool', 'bool', same),
  func('logical_or', '_||_', 'bool, bool', 'bool', same),
  func('logical_not', '!_', 'bool', 'bool', (value: boolean) => !value),
  func('not_strictly_false', '@not_strictly_false', 'bool', 'bool', same),
  func('equals', '_==_', 'A, A', 'bool', equalsOrFails),
  func('not_equals', '_!=_', 'A, A', 'bool', (a: Value, b: Value) => !equals(a, b)),
  func('index_list', '_[_]', 'list(A), int', 'A', same),
  func('index_map', '_[_]', 'map(A, B), A', 'B', same),
  func('in_list', '@in', 'A, list(A)', 'bool', inList),
  func('in_map', '@in', 'A, map(A, B)', 'bool', (key: Value, map: MapValue) => map.has(key)),
  func('size_bytes', 'size', 'bytes', 'int', size),
  member('bytes_size', 'size', 'bytes', 'int', size),
  func('size_list', 'size', 'list(A)', 'int', size),
  member('list_size', 'size', 'list(A)', 'int', size),
  func('size_map', 'size', 'map(A, B)', 'int', size),
  member('map_size', 'size', 'map(A, B)', 'int', size),
  func('size_string', 'size', 'string', 'int', size),
  member('string_size', 'size', 'string', 'int', size),
  func('type', 'type', 'A', 'type(A)', typeValue),
  func('bool_to_bool', 'bool', 'bool', 'bool', same),
  func('string_to_bool', 'bool', 'string', 'bool', (text: string) =>
    converted(Object.hasOwn(BOOLS, text) ? BOOLS[text] : undefined, 'bool'),
  ),
  func('bytes_to_bytes', 'bytes', 'bytes', 'bytes', same),
  func('string_to_bytes', 'bytes', 'string', 'bytes', (text: string) => Buffer.from(text)),
  func('double_to_double', 'double', 'double', 'double', same),
  func('int64_to_double', 'double', 'int', 'double', (value: bigint) => Number(value)),
  func('string_to_double', 'double', 'string', 'double', (text: string) => converted(stringToDouble(text), 'double')),
  func('uint64_to_double', 'double', 'uint', 'double', ({ value }: Uint) => Number(value)),
  func('duration_to_duration', 'duration', 'duration', 'duration', same),
  func('int64_to_duration', 'duration', 'int', 'duration', () => {
    throw new Fault("type conversion error from 'int' to 'google.protobuf.Duration'")
  }),
  func('string_to_duration', 'duration', 'string', 'duration', (text: string) =>
    converted(parseDuration(text), 'google.protobuf.Duration'),
  ),
  func('to_dyn', 'dyn', 'A', 'dyn', same),
  func('int64_to_int64', 'int', 'int', 'int', same),
  func('double_to_int64', 'int', 'double', 'int', doubleToInt),
  func('duration_to_int64', 'int', 'duration', 'int', ({ nanos }: Duration) => nanos),
  func('string_to_int64', 'int', 'string', 'int', (text: string) => converted(stringToInt(text), 'int')),
  func(
    'timestamp_to_int64',
    'int',
    'timestamp',
    'int',
    ({ nanos }: Timestamp) => (nanos - (((nanos % SECOND) + SECOND) % SECOND)) / SECOND,
  ),
  func('uint64_to_int64', 'int', 'uint', 'int', ({ value }: Uint) => int(value)),
  func('string_to_string', 'string', 'string', 'string', same),
  func('bool_to_string', 'string', 'bool', 'string', String),
  func('bytes_to_string', 'string', 'bytes', 'string', bytesToString),
  func('double_to_string', 'string', 'double', 'string', formatDouble),
  func('duration_to_string', 'string', 'duration', 'string', formatDuration),
  func('int64_to_string', 'string', 'int', 'string', String),
  func('timestamp_to_string', 'string', 'timestamp', 'string', formatTimestamp),
  func('uint64_to_string', 'string', 'uint', 'string', ({ value }: Uint) => String(value)),
  func('timestamp_to_timestamp', 'timestamp', 'timestamp', 'timestamp', same),
  func('int64_to_timestamp', 'timestamp', 'int', 'timestamp', (seconds: bigint) => timestamp(seconds * SECOND)),
  func('string_to_timestamp', 'timestamp', 'string', 'timestamp', (text: string) =>
    converted(parseTimestamp(text), 'google.protobuf.Timestamp'),
  ),
  func('uint64_to_uint64', 'uint', 'uint', 'uint', same),
  func('double_to_uint64', 'uint', 'double', 'uint', doubleToUint),
  func('int64_to_uint64', 'uint', 'int', 'uint', (value: bigint) => uint(value)),
  func('string_to_uint64', 'uint', 'string', 'uint', (text: string) =>
    converted(/^\d+$/.test(text) ? parseUint64(`${text}u`) : undefined, 'uint'),
  ),
  member('contains_string', 'contains', 'string, string', 'bool', (text: string, part: string) => text.includes(part)),
  member('ends_with_string', 'endsWith', 'string, string', 'bool', (text: string, end: string) => text.endsWith(end)),
  member('starts_with_string', 'startsWith', 'string, string', 'bool', (text: string, start: string) => text.startsWith(start)),
  func('matches', 'matches', 'string, string', 'bool', (text: string, pattern: string) => patternOf(pattern).matcher(text).find()),
  member('matches_string', 'matches', 'string, string', 'bool', (text: string, pattern: string) => patternOf(pattern).matcher(text).find()),
]

/** The types that expressions may name. */
export const TYPE_NAMES: readonly string[] = [
  ...['bool', 'bytes', 'double', 'int', 'list', 'map', 'string', 'type', 'uint', 'null_type', 'timestamp', 'duration'],
  ...['google.protobuf.Timestamp', 'google.protobuf.Duration'],
]
