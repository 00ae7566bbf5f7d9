/** The form of the tables in which functions are declared, and how one is found. */
import { Duration, ListValue, MapValue, OpaqueValue, OptionalValue, Timestamp, TypeValue, Uint } from './values.ts'
import { parseType, parseTypes } from './types.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'

// The table says which values a function gets; its own parameter types repeat that.
// oxlint-disable-next-line typescript/no-explicit-any
type Implementation = (...args: any[]) => Value

export interface Overload {
  /** cel-go's name of it, by which costs are looked up. */
  readonly id: string
  readonly function: string
  readonly isMember: boolean
  readonly params: readonly Type[]
  readonly result: Type
  readonly typeParams: readonly string[]
  readonly accepts: readonly ((value: Value) => boolean)[]
  readonly run: Implementation
}

const everything = (): boolean => true

const ACCEPTS: Partial<Record<Type['kind'], (value: Value) => boolean>> = {
  bool: (value) => typeof value === 'boolean',
  int: (value) => typeof value === 'bigint',
  uint: (value) => value instanceof Uint,
  double: (value) => typeof value === 'number',
  string: (value) => typeof value === 'string',
  bytes: (value) => value instanceof Uint8Array,
  null_type: (value) => value === null,
  timestamp: (value) => value instanceof Timestamp,
  duration: (value) => value instanceof Duration,
  type: (value) => value instanceof TypeValue,
  list: (value) => value instanceof ListValue,
  map: (value) => value instanceof MapValue,
}

function acceptance({ kind, name, params }: Type): (value: Value) => boolean {
  const item = params[0]
  if (kind === 'list' && item && item.kind !== 'list' && item.kind !== 'map' && ACCEPTS[item.kind]) {
    const acceptsItem = acceptance(item)
    return (value) => value instanceof ListValue && (value.size === 0 || acceptsItem(value.at(0)))
  }
  if (kind === 'opaque') {
    if (name === 'optional_type') return (value) => value instanceof OptionalValue
    return (value) => value instanceof OpaqueValue && value.typeName === name
  }
  return ACCEPTS[kind] ?? everything
}

function paramsOf(types: readonly Type[], into: Set<string> = new Set()): Set<string> {
  for (const type of types) {
    if (type.kind === 'param') into.add(type.name)
    paramsOf(type.params, into)
  }
  return into
}

function declare(isMember: boolean, id: string, name: string, params: string, result: string, run: Implementation): Overload {
  const types = parseTypes(params)
  const typed = parseType(result)
  return {
    id,
    function: name,
    isMember,
    params: types,
    result: typed,
    typeParams: [...paramsOf([...types, typed])],
    accepts: types.map(acceptance),
    run,
  }
}

/** `name(a, b)`; types are written as messages print them, `A` for any. */
export const func = (id: string, name: string, params: string, result: string, run: Implementation): Overload =>
  declare(false, id, name, params, result, run)

/** `a.name(b)`. */
export const member = (id: string, name: string, params: string, result: string, run: Implementation): Overload =>
  declare(true, id, name, params, result, run)

export type Functions = ReadonlyMap<string, readonly Overload[]>

export function functionsOf(...tables: readonly (readonly Overload[])[]): Functions {
  const functions = new Map<string, Overload[]>()
  for (const overload of tables.flat()) {
    const known = functions.get(overload.function)
    if (known) known.push(overload)
    else functions.set(overload.function, [overload])
  }
  return functions
}
