/**
 * What expressions compute with. Booleans, strings, null and doubles (numbers) are JavaScript's own, ints are bigints; the
 * rest are classes. Lists and maps over JSON turn their items into values when they are read, by the declared type.
 */
export type Value =
  | boolean
  | bigint
  | number
  | string
  | null
  | Uint
  | Uint8Array
  | Timestamp
  | Duration
  | TypeValue
  | ListValue
  | MapValue
  | OptionalValue
  | OpaqueValue

/** What an expression comes to instead of a value; thrown within the room alone, and cheap, for `||` and `&&` catch it. */
export class Fault {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

/**
 * A value can hold the same value twice, and that one likewise: what goes through all of it counts its steps.
 * @throws Fault when it takes too many
 */
export class Work {
  #left = 2_000_000

  step(): void {
    if (--this.#left < 0) throw new Fault('the value is too large')
  }
}

export class Uint {
  readonly value: bigint
  constructor(value: bigint) {
    this.value = value
  }
}

export class Timestamp {
  /** Since 1970. */
  readonly nanos: bigint
  /** Of the zone that it is written in. */
  readonly offsetMinutes: number
  constructor(nanos: bigint, offsetMinutes = 0) {
    this.nanos = nanos
    this.offsetMinutes = offsetMinutes
  }
}

export class Duration {
  readonly nanos: bigint
  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

export class TypeValue {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

export class OptionalValue {
  readonly value: Value | undefined
  constructor(value: Value | undefined) {
    this.value = value
  }
}

export const NONE = new OptionalValue(undefined)

/** A value of a library: an address, a quantity, a URL. */
export abstract class OpaqueValue {
  abstract readonly typeName: string
  abstract equals(other: OpaqueValue): boolean
  /** What its size counts for in costs, where it has one. */
  get sizeForCost(): number {
    return 1
  }
}

/** How lists of a kind are equal and are added: by position, as sets, or as maps by the values of some fields. */
export interface ListMeaning {
  listType: 'set' | 'map'
  mapKeys: readonly string[]
}

export abstract class ListValue {
  readonly isDeclared: boolean = false
  readonly meaning: ListMeaning | undefined
  abstract readonly size: number

  constructor(meaning?: ListMeaning) {
    this.meaning = meaning
  }

  abstract at(index: number): Value

  *[Symbol.iterator](): Generator<Value> {
    for (let i = 0; i < this.size; i++) yield this.at(i)
  }
}

export class ArrayList extends ListValue {
  readonly #items: readonly Value[]
  readonly #size: number

  /** Of the items only the first so many, where a size is given: growing lists share their array. */
  constructor(items: readonly Value[], size = items.length, meaning?: ListMeaning) {
    super(meaning)
    this.#items = items
    this.#size = size
  }

  get size(): number {
    return this.#size
  }

  at(index: number): Value {
    return this.#items[index]!
  }

  /** The list with an item at its end; the array is shared where this list is the longest that has it. */
  with(item: Value): ArrayList {
    const items = this.#items.length === this.#size ? (this.#items as Value[]) : this.#items.slice(0, this.#size)
    items.push(item)
    return new ArrayList(items, this.#size + 1)
  }
}

export type Adapt = (json: unknown) => Value

export class JsonList extends ListValue {
  readonly json: readonly unknown[]
  readonly #adapt: Adapt
  /** Whether its type is declared. */
  override readonly isDeclared: boolean

  constructor(json: readonly unknown[], adapt: Adapt, isDeclared: boolean, meaning?: ListMeaning) {
    super(meaning)
    this.isDeclared = isDeclared
    this.json = json
    this.#adapt = adapt
  }

  get size(): number {
    return this.json.length
  }

  at(index: number): Value {
    return this.#adapt(this.json[index])
  }
}

export abstract class MapValue {
  readonly typeName: string = 'map'
  readonly isDeclared: boolean = false
  abstract readonly size: number
  abstract get(key: Value): Value | undefined
  abstract has(key: Value): boolean
  abstract keys(): Value[]
}

/** Keys that are equal have one form: uints and whole doubles are ints. What is no scalar is a key of its own. */
export function toMapKey(key: Value): Value {
  if (key instanceof Uint) return key.value
  return typeof key === 'number' && Number.isInteger(key) ? BigInt(key) : key
}

interface Entry {
  position: number
  key: Value
  value: Value
}

export class EntryMap extends MapValue {
  readonly #entries: Map<Value, Entry>
  readonly #size: number

  /** Of the entries only the first so many: growing maps share theirs. */
  constructor(entries: Map<Value, Entry> = new Map(), size = entries.size) {
    super()
    this.#entries = entries
    this.#size = size
  }

  static of(entries: Iterable<readonly [Value, Value]>): EntryMap {
    const known = new Map<Value, Entry>()
    for (const [key, value] of entries) {
      const normal = toMapKey(key)
      known.set(normal, { position: known.get(normal)?.position ?? known.size, key, value })
    }
    return new EntryMap(known)
  }

  get size(): number {
    return this.#size
  }

  get(key: Value): Value | undefined {
    const entry = this.#entries.get(toMapKey(key))
    return entry && entry.position < this.#size ? entry.value : undefined
  }

  has(key: Value): boolean {
    return this.get(key) !== undefined
  }

  keys(): Value[] {
    return [...this.#entries.values()].slice(0, this.#size).map(({ key }) => key)
  }

  /** The map with an entry of a new key; the entries are shared where this map has all of them. */
  with(key: Value, value: Value): EntryMap {
    const isWhole = this.#entries.size === this.#size
    const entries = isWhole ? this.#entries : new Map([...this.#entries].slice(0, this.#size))
    entries.set(toMapKey(key), { position: this.#size, key, value })
    return new EntryMap(entries)
  }
}

export type JsonObject = Readonly<Record<string, unknown>>

export class JsonMap extends MapValue {
  readonly json: JsonObject
  readonly #adapt: Adapt
  override readonly isDeclared: boolean

  constructor(json: JsonObject, adapt: Adapt, isDeclared: boolean) {
    super()
    this.isDeclared = isDeclared
    this.json = json
    this.#adapt = adapt
  }

  get size(): number {
    return Object.keys(this.json).length
  }

  get(key: Value): Value | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.json, key)) return undefined
    const value = this.json[key]
    return value === undefined ? undefined : this.#adapt(value)
  }

  has(key: Value): boolean {
    return typeof key === 'string' && Object.hasOwn(this.json, key) && this.json[key] !== undefined
  }

  keys(): Value[] {
    return Object.keys(this.json)
  }
}

/** What is known of an object type when its values are read: each field by the name that expressions use. */
export interface ObjectShape {
  name: string
  fields: ReadonlyMap<string, { property: string; adapt: Adapt }>
}

/** An object of a declared type: what is null is not there. */
export class JsonObjectValue extends MapValue {
  override readonly isDeclared = true
  override readonly typeName: string
  readonly json: JsonObject
  readonly #shape: ObjectShape

  constructor(json: JsonObject, shape: ObjectShape) {
    super()
    this.json = json
    this.#shape = shape
    this.typeName = shape.name
  }

  get size(): number {
    return this.keys().length
  }

  /** Words of the language are found escaped and as they are. */
  #field(key: Value): { property: string; adapt: Adapt } | undefined {
    const { fields } = this.#shape
    return fields.get(key as string) ?? (typeof key === 'string' ? fields.get(`__${key}__`) : undefined)
  }

  get(key: Value): Value | undefined {
    const field = this.#field(key)
    if (!field || !Object.hasOwn(this.json, field.property)) return undefined
    const value = this.json[field.property]
    return value === undefined || value === null ? undefined : field.adapt(value)
  }

  has(key: Value): boolean {
    const field = this.#field(key)
    return field !== undefined && Object.hasOwn(this.json, field.property) && (this.json[field.property] ?? undefined) !== undefined
  }

  keys(): Value[] {
    return [...this.#shape.fields.keys()].filter((name) => this.has(name))
  }
}

export function typeNameOf(value: Value): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'double'
    case 'string':
      return 'string'
  }
  if (value === null) return 'null_type'
  if (value instanceof ListValue) return 'list'
  if (value instanceof MapValue || value instanceof OpaqueValue) return value.typeName
  if (value instanceof Uint) return 'uint'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
  if (value instanceof Duration) return 'google.protobuf.Duration'
  return value instanceof OptionalValue ? 'optional_type' : 'type'
}

/** In code points. */
export function lengthOf(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length - 1; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0xd800 && unit <= 0xdbff) {
      length--
      i++
    }
  }
  return length
}

export function sizeOf(value: Value): number {
  if (typeof value === 'string') return lengthOf(value)
  if (value instanceof ListValue || value instanceof MapValue) return value.size
  if (value instanceof Uint8Array) return value.length
  if (value instanceof OpaqueValue) return value.sizeForCost
  if (value instanceof OptionalValue && value.value !== undefined) return sizeOf(value.value)
  return 1
}
