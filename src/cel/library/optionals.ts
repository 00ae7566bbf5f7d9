/** Values that may be absent. */
import { EntryMap, Fault, ListValue, MapValue, NONE, OptionalValue, Timestamp, Uint, Duration, ArrayList } from '../values.ts'
import { func, member } from '../overloads.ts'
import { sizeOf, toMapKey } from '../values.ts'
import type { Overload } from '../overloads.ts'
import type { Value } from '../values.ts'

/** Of the year 1, which is Go's zero. */
const FIRST_NANOS = -62_135_596_800n * 1_000_000_000n

function isZero(value: Value): boolean {
  if (value === null || value === false || value === '' || value === 0n || value === 0) return true
  if (value instanceof Uint) return value.value === 0n
  if (value instanceof Duration) return value.nanos === 0n
  if (value instanceof Timestamp) return value.nanos === FIRST_NANOS
  if (value instanceof OptionalValue) return value.value === undefined
  return (value instanceof ListValue || value instanceof MapValue || value instanceof Uint8Array) && sizeOf(value) === 0
}

const same = (value: Value): Value => value

function unwrap(list: ListValue): Value {
  const items: Value[] = []
  for (const item of list) {
    if (!(item instanceof OptionalValue)) throw new Fault('value is not optional')
    if (item.value !== undefined) items.push(item.value)
  }
  return new ArrayList(items)
}

function insert(map: MapValue, entries: readonly (readonly [Value, Value])[]): Value {
  let result = map instanceof EntryMap ? map : EntryMap.of(map.keys().map((key) => [key, map.get(key)!]))
  for (const [key, value] of entries) {
    if (result.has(key)) throw new Fault(`insert failed: key ${String(toMapKey(key))} already exists`)
    result = result.with(key, value)
  }
  return result
}

export const OPTIONALS: readonly Overload[] = [
  func('optional_of', 'optional.of', 'V', 'optional(V)', (value: Value) => new OptionalValue(value)),
  func('optional_ofNonZeroValue', 'optional.ofNonZeroValue', 'V', 'optional(V)', (value: Value) =>
    isZero(value) ? NONE : new OptionalValue(value),
  ),
  func('optional_none', 'optional.none', '', 'optional(V)', () => NONE),
  member('optional_value', 'value', 'optional(V)', 'V', ({ value }: OptionalValue) => {
    if (value === undefined) throw new Fault('optional.none() dereference')
    return value
  }),
  member('optional_hasValue', 'hasValue', 'optional(V)', 'bool', ({ value }: OptionalValue) => value !== undefined),
  member('optional_or_optional', 'or', 'optional(V), optional(V)', 'optional(V)', same),
  member('optional_orValue_value', 'orValue', 'optional(V), V', 'V', same),
  func('select_optional_field', '_?._', 'dyn, string', 'optional(V)', same),
  func('list_optindex_optional_int', '_[?_]', 'list(V), int', 'optional(V)', same),
  func('optional_list_optindex_optional_int', '_[?_]', 'optional(list(V)), int', 'optional(V)', same),
  func('map_optindex_optional_value', '_[?_]', 'map(K, V), K', 'optional(V)', same),
  func('optional_map_optindex_optional_value', '_[?_]', 'optional(map(K, V)), K', 'optional(V)', same),
  func('optional_list_index_int', '_[_]', 'optional(list(V)), int', 'optional(V)', same),
  func('optional_map_index_value', '_[_]', 'optional(map(K, V)), K', 'optional(V)', same),
  member('list_last', 'last', 'list(V)', 'optional(V)', (list: ListValue) =>
    list.size === 0 ? NONE : new OptionalValue(list.at(list.size - 1)),
  ),
  member('list_first', 'first', 'list(V)', 'optional(V)', (list: ListValue) => (list.size === 0 ? NONE : new OptionalValue(list.at(0)))),
  func('optional_unwrap', 'optional.unwrap', 'list(optional(V))', 'list(V)', unwrap),
  member('optional_unwrapOpt', 'unwrapOpt', 'list(optional(V))', 'list(V)', unwrap),
  func('@mapInsert_map_key_value', 'cel.@mapInsert', 'map(K, V), K, V', 'map(K, V)', (map: MapValue, key: Value, value: Value) =>
    insert(map, [[key, value]]),
  ),
  func('@mapInsert_map_map', 'cel.@mapInsert', 'map(K, V), map(K, V)', 'map(K, V)', (map: MapValue, other: MapValue) =>
    insert(
      map,
      other.keys().map((key) => [key, other.get(key)!]),
    ),
  ),
]
