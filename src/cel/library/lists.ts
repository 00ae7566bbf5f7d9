/** Lists and sets: Kubernetes' own functions beside cel-go's extensions (lists version 3, sets). */
import { ArrayList, Duration, Fault, ListValue, Uint, Work, typeNameOf } from '../values.ts'
import { compare, equals, noOverload } from '../comparing.ts'
import { duration, int, uint } from './arithmetic.ts'
import { func, member } from '../overloads.ts'
import type { Overload } from '../overloads.ts'
import type { Value } from '../values.ts'

const RANGE_LIMIT = 1_000_000

function isSorted(list: ListValue): boolean {
  for (let i = 1; i < list.size; i++) if (compare(list.at(i - 1), list.at(i)) > 0) return false
  return true
}

function addTo(sum: Value, item: Value): Value {
  if (typeof sum === 'bigint' && typeof item === 'bigint') return int(sum + item)
  if (typeof sum === 'number' && typeof item === 'number') return sum + item
  if (sum instanceof Uint && item instanceof Uint) return uint(sum.value + item.value)
  if (sum instanceof Duration && item instanceof Duration) return duration(sum.nanos + item.nanos)
  throw noOverload()
}

const sumFrom =
  (zero: Value) =>
  (list: ListValue): Value => {
    let sum = zero
    for (const item of list) sum = addTo(sum, item)
    return sum
  }

const extreme =
  (name: string, isBetter: (order: number) => boolean) =>
  (list: ListValue): Value => {
    if (list.size === 0) throw new Fault(`${name} called on empty list`)
    let best = list.at(0)
    for (const item of list) if (isBetter(compare(item, best))) best = item
    return best
  }

function indexOf(list: ListValue, item: Value): bigint {
  for (let i = 0; i < list.size; i++) if (equals(list.at(i), item)) return BigInt(i)
  return -1n
}

function lastIndexOf(list: ListValue, item: Value): bigint {
  for (let i = list.size - 1; i >= 0; i--) if (equals(list.at(i), item)) return BigInt(i)
  return -1n
}

function slice(list: ListValue, start: bigint, end: bigint): Value {
  const fault = (why: string): Fault => new Fault(`cannot slice(${start}, ${end}), ${why}`)
  if (start < 0n || end < 0n) throw fault('negative indexes not supported')
  if (start > end) throw fault('start index must be less than or equal to end index')
  if (list.size < end) throw fault(`list is length ${list.size}`)
  return new ArrayList([...list].slice(Number(start), Number(end)))
}

function flatten(list: ListValue, depth: bigint): Value {
  if (depth < 0n) throw new Fault('level must be non-negative')
  const items: Value[] = []
  const work = new Work()
  const visit = (within: ListValue, left: bigint): void => {
    for (const item of within) {
      work.step()
      if (item instanceof ListValue && left > 0n) visit(item, left - 1n)
      else items.push(item)
    }
  }
  visit(list, depth)
  return new ArrayList(items)
}

function sortByKeys(list: ListValue, keys: ListValue): Value {
  if (list.size !== keys.size) {
    const expected = '@sortByAssociatedKeys() expected a list of the same size as the associated keys list'
    throw new Fault(`${expected}, but got ${list.size} and ${keys.size} elements respectively`)
  }
  const pairs = [...keys].map((key, i) => ({ key, item: list.at(i) }))
  if (new Set(pairs.map(({ key }) => typeNameOf(key))).size > 1) throw new Fault('list elements must have the same type')
  return new ArrayList(pairs.toSorted((a, b) => compare(a.key, b.key)).map(({ item }) => item))
}

function distinct(list: ListValue): Value {
  const unique: Value[] = []
  const seen = new Set<Value>()
  for (const item of list) {
    const isSimple = typeof item === 'string' || typeof item === 'boolean'
    if (isSimple ? seen.has(item) : unique.some((other) => equals(item, other))) continue
    if (isSimple) seen.add(item)
    unique.push(item)
  }
  return new ArrayList(unique)
}

function range(count: bigint): Value {
  if (count > RANGE_LIMIT) throw new Fault(`lists.range() is limited to ${RANGE_LIMIT} elements`)
  return new ArrayList(Array.from({ length: Math.max(0, Number(count)) }, (_, i) => BigInt(i)))
}

const contains = (list: ListValue, sublist: ListValue): boolean => [...sublist].every((item) => indexOf(list, item) >= 0n)

const SUMMABLE: Readonly<Record<string, Value>> = { int: 0n, uint: new Uint(0n), double: 0, duration: new Duration(0n) }
const COMPARABLE = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes']
/** By cel-go's names of the types. */
const sortId = (type: string): string =>
  type === 'duration' || type === 'timestamp' ? `google.protobuf.${type[0]!.toUpperCase()}${type.slice(1)}` : type

const sort = (list: ListValue): Value => sortByKeys(list, list)

export const LISTS: readonly Overload[] = [
  ...COMPARABLE.map((type) => member(`list_${type}_is_sorted_bool`, 'isSorted', `list(${type})`, 'bool', isSorted)),
  ...Object.entries(SUMMABLE).map(([type, zero]) => member(`list_${type}_sum_${type}`, 'sum', `list(${type})`, type, sumFrom(zero))),
  ...COMPARABLE.map((type) =>
    member(
      `list_${type}_max_${type}`,
      'max',
      `list(${type})`,
      type,
      extreme('max', (order) => order > 0),
    ),
  ),
  ...COMPARABLE.map((type) =>
    member(
      `list_${type}_min_${type}`,
      'min',
      `list(${type})`,
      type,
      extreme('min', (order) => order < 0),
    ),
  ),
  member('list_a_index_of_int', 'indexOf', 'list(A), A', 'int', indexOf),
  member('list_a_last_index_of_int', 'lastIndexOf', 'list(A), A', 'int', lastIndexOf),
  member('list_slice', 'slice', 'list(T), int, int', 'list(T)', slice),
  member('list_flatten', 'flatten', 'list(list(T))', 'list(T)', (list: ListValue) => flatten(list, 1n)),
  member('list_flatten_int', 'flatten', 'list(dyn), int', 'list(dyn)', flatten),
  ...COMPARABLE.map((type) => member(`list_${sortId(type)}_sort`, 'sort', `list(${type})`, `list(${type})`, sort)),
  ...COMPARABLE.map((type) =>
    member(`list_${sortId(type)}_sortByAssociatedKeys`, '@sortByAssociatedKeys', `list(T), list(${type})`, 'list(T)', sortByKeys),
  ),
  func('lists_range', 'lists.range', 'int', 'list(int)', range),
  member('list_reverse', 'reverse', 'list(T)', 'list(T)', (list: ListValue) => new ArrayList([...list].toReversed())),
  member('list_distinct', 'distinct', 'list(T)', 'list(T)', distinct),
  func('list_sets_contains_list', 'sets.contains', 'list(T), list(T)', 'bool', contains),
  func(
    'list_sets_equivalent_list',
    'sets.equivalent',
    'list(T), list(T)',
    'bool',
    (a: ListValue, b: ListValue) => contains(a, b) && contains(b, a),
  ),
  func('list_sets_intersects_list', 'sets.intersects', 'list(T), list(T)', 'bool', (a: ListValue, b: ListValue) =>
    [...a].some((item) => indexOf(b, item) >= 0n),
  ),
]
