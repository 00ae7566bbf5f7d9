/** The operators that compute, with cel-go's limits and its words for passing them. */
import { compare, identityOf } from '../comparing.ts'
import { ArrayList, Duration, Fault, Timestamp, Uint } from '../values.ts'
import { func } from '../overloads.ts'
import type { Overload } from '../overloads.ts'
import type { ListMeaning, ListValue, Value } from '../values.ts'

const INT_MIN = -(2n ** 63n)
const INT_MAX = 2n ** 63n - 1n
const UINT_MAX = 2n ** 64n - 1n
/** Years 1 to 9999. */
const TIMESTAMP_MIN = -62_135_596_800n * 1_000_000_000n
const TIMESTAMP_MAX = 253_402_300_799n * 1_000_000_000n + 999_999_999n

export function int(value: bigint): bigint {
  if (value < INT_MIN || value > INT_MAX) throw new Fault('integer overflow')
  return value
}

export function uint(value: bigint): Uint {
  if (value < 0n || value > UINT_MAX) throw new Fault('unsigned integer overflow')
  return new Uint(value)
}

export function duration(nanos: bigint): Duration {
  if (nanos < INT_MIN || nanos > INT_MAX) throw new Fault('duration overflow')
  return new Duration(nanos)
}

export function timestamp(nanos: bigint, offsetMinutes = 0): Timestamp {
  if (nanos < TIMESTAMP_MIN || nanos > TIMESTAMP_MAX) throw new Fault('timestamp overflow')
  return new Timestamp(nanos, offsetMinutes)
}

function divisor<T extends bigint>(value: T, message: string): T {
  if (value === 0n) throw new Fault(message)
  return value
}
const BY_ZERO = 'division by zero'
const MODULUS = 'modulus by zero'

/** Lists that are sets or maps join as such. */
function addLists(a: ListValue, b: ListValue): ListValue {
  if (a.meaning) return joinByMeaning(a, b, a.meaning)
  if (a instanceof ArrayList && b.size === 1) return a.with(b.at(0))
  return new ArrayList([...a, ...b])
}

function joinByMeaning(a: ListValue, b: ListValue, meaning: ListMeaning): ListValue {
  const items = new Map<string | undefined, Value>()
  for (const item of a) items.set(identityOf(item, meaning), item)
  for (const item of b) {
    const identity = identityOf(item, meaning)
    if (meaning.listType === 'map' || !items.has(identity)) items.set(identity, item)
  }
  const joined = [...items.values()]
  return new ArrayList(joined, joined.length, meaning)
}

/** The pairs of types that have an order, by the end of the overload's name. */
const ORDERED: Readonly<Record<string, string>> = {
  bool: 'bool, bool',
  int64: 'int, int',
  int64_double: 'int, double',
  int64_uint64: 'int, uint',
  uint64: 'uint, uint',
  uint64_double: 'uint, double',
  uint64_int64: 'uint, int',
  double: 'double, double',
  double_int64: 'double, int',
  double_uint64: 'double, uint',
  string: 'string, string',
  bytes: 'bytes, bytes',
  timestamp: 'timestamp, timestamp',
  duration: 'duration, duration',
}

const ordering = (name: string, id: string, test: (order: number) => boolean): Overload[] =>
  Object.entries(ORDERED).map(([suffix, params]) =>
    func(`${id}_${suffix}`, name, params, 'bool', (a: Value, b: Value) => test(compare(a, b))),
  )

export const ARITHMETIC: readonly Overload[] = [
  func('add_bytes', '_+_', 'bytes, bytes', 'bytes', (a: Uint8Array, b: Uint8Array) => Buffer.concat([a, b])),
  func('add_double', '_+_', 'double, double', 'double', (a: number, b: number) => a + b),
  func('add_duration_duration', '_+_', 'duration, duration', 'duration', (a: Duration, b: Duration) => duration(a.nanos + b.nanos)),
  func('add_duration_timestamp', '_+_', 'duration, timestamp', 'timestamp', (a: Duration, b: Timestamp) =>
    timestamp(a.nanos + b.nanos, b.offsetMinutes),
  ),
  func('add_timestamp_duration', '_+_', 'timestamp, duration', 'timestamp', (a: Timestamp, b: Duration) =>
    timestamp(a.nanos + b.nanos, a.offsetMinutes),
  ),
  func('add_int64', '_+_', 'int, int', 'int', (a: bigint, b: bigint) => int(a + b)),
  func('add_list', '_+_', 'list(A), list(A)', 'list(A)', addLists),
  func('add_string', '_+_', 'string, string', 'string', (a: string, b: string) => a + b),
  func('add_uint64', '_+_', 'uint, uint', 'uint', (a: Uint, b: Uint) => uint(a.value + b.value)),
  func('divide_double', '_/_', 'double, double', 'double', (a: number, b: number) => a / b),
  func('divide_int64', '_/_', 'int, int', 'int', (a: bigint, b: bigint) => int(a / divisor(b, BY_ZERO))),
  func('divide_uint64', '_/_', 'uint, uint', 'uint', (a: Uint, b: Uint) => uint(a.value / divisor(b.value, BY_ZERO))),
  func('modulo_int64', '_%_', 'int, int', 'int', (a: bigint, b: bigint) => {
    const rest = a % divisor(b, MODULUS)
    if (a === INT_MIN && b === -1n) throw new Fault('integer overflow')
    return rest
  }),
  func('modulo_uint64', '_%_', 'uint, uint', 'uint', (a: Uint, b: Uint) => uint(a.value % divisor(b.value, MODULUS))),
  func('multiply_double', '_*_', 'double, double', 'double', (a: number, b: number) => a * b),
  func('multiply_int64', '_*_', 'int, int', 'int', (a: bigint, b: bigint) => int(a * b)),
  func('multiply_uint64', '_*_', 'uint, uint', 'uint', (a: Uint, b: Uint) => uint(a.value * b.value)),
  func('negate_double', '-_', 'double', 'double', (a: number) => -a),
  func('negate_int64', '-_', 'int', 'int', (a: bigint) => int(-a)),
  func('subtract_double', '_-_', 'double, double', 'double', (a: number, b: number) => a - b),
  func('subtract_duration_duration', '_-_', 'duration, duration', 'duration', (a: Duration, b: Duration) => duration(a.nanos - b.nanos)),
  func('subtract_int64', '_-_', 'int, int', 'int', (a: bigint, b: bigint) => int(a - b)),
  func('subtract_timestamp_duration', '_-_', 'timestamp, duration', 'timestamp', (a: Timestamp, b: Duration) =>
    timestamp(a.nanos - b.nanos, a.offsetMinutes),
  ),
  func(
    'subtract_timestamp_timestamp',
    '_-_',
    'timestamp, timestamp',
    'duration',
    (a: Timestamp, b: Timestamp) => new Duration(int(a.nanos - b.nanos)),
  ),
  func('subtract_uint64', '_-_', 'uint, uint', 'uint', (a: Uint, b: Uint) => uint(a.value - b.value)),
  ...ordering('_<_', 'less', (order) => order < 0),
  ...ordering('_<=_', 'less_equals', (order) => order <= 0),
  ...ordering('_>_', 'greater', (order) => order > 0),
  ...ordering('_>=_', 'greater_equals', (order) => order >= 0),
]
