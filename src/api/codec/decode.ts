/**
 * Decoding into a type with the semantics of sigs.k8s.io/json and of the API types' own decoders: names are case-sensitive,
 * unknown and double fields are reported in document order, the first type error fails it in Go's words, null is nil or zero,
 * quantities, times and base64 come out canonical, and the result has the shape in which Go writes it again.
 */
import { asJsonValue, numberOf } from './longIntegers.ts'
import { goTypeOf } from '../catalog/load.ts'
import type { ArraySchema, Field, ScalarSchema, Schema, TypeDef } from '../catalog/schema.ts'
import { canonicalQuantity, QuantityError } from '../quantity.ts'
import type { JsonObject, JsonValue } from '../resource.ts'
import { Base64Error, canonicalBase64 } from './base64.ts'
import { putField, zeroValue } from './goShape.ts'
import type { EmptyOnes } from './goShape.ts'
import { canonicalMicroTime, canonicalTime, formatDuration, parseDuration, TimeError } from './goTime.ts'
import { Entries, type JsonTree, NumberText, setMember, treeToValue } from './jsonTree.ts'

/** The body does not fit the type; the message is upstream's, without what the caller knows (the kind). */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

/** Upstream reports no more unknown and double fields than this. */
const MAX_STRICT_ERRORS = 100
const INT32_MAX = 2 ** 31 - 1
const INT64_MAX = 2n ** 63n - 1n

/** Thrown where the values of JSON.parse do not tell enough: the caller decodes the tree instead. */
export const ODD = Symbol('odd')

type Node = JsonTree | number | bigint | { [key: string]: Node }

function kindOf(node: Node): string {
  if (typeof node === 'string') return 'string'
  if (typeof node === 'boolean') return 'bool'
  if (typeof node === 'number' || typeof node === 'bigint' || node instanceof NumberText) return 'number'
  return Array.isArray(node) ? 'array' : 'object'
}

const itemGoType = (goType: string, items: Schema): string => (goType.startsWith('[]') ? goType.slice(2) : goTypeOf(items))
const valueGoType = (goType: string, values: Schema): string => (goType.startsWith('map[string]') ? goType.slice(11) : goTypeOf(values))

/** Go writes maps in the order of their keys. */
function inOrder(keys: string[]): string[] {
  for (let at = 1; at < keys.length; at++) if ((keys[at - 1] as string) > (keys[at] as string)) return keys.sort()
  return keys
}

function quoted(text: string): string {
  return JSON.stringify(text)
}

/** What null stands for in a map: nil bytes come back from storage as none. */
function zeroItem(values: Schema): JsonValue {
  return values.type === 'bytes' ? '' : zeroValue(values)
}

export class Decoder {
  /** False while the values come from JSON.parse; anything out of order then throws ODD. */
  readonly #fromTree: boolean
  /** As in Go, where a list that is empty is something else than none until it is stored. */
  #emptyOnes: EmptyOnes
  readonly strictErrors: string[] = []
  /** Members met, to compare with those in the text. */
  keys = 0
  #firstError: string | undefined
  /** Where we are: for type errors the fields' names and the struct, for strict errors the path with indices. */
  #struct = ''
  #fields: string[] = []
  #path = ''

  constructor(fromTree: boolean, emptyOnes: EmptyOnes = 'none') {
    this.#fromTree = fromTree
    this.#emptyOnes = emptyOnes
  }

  /** `node` is a tree, or what JSON.parse gave. */
  decode(def: TypeDef, node: unknown): JsonObject {
    const out = this.#value({ type: 'object', def }, def.goName, node as Node, def) as JsonObject | undefined
    if (this.#firstError !== undefined) throw new DecodeError(this.#firstError)
    return out ?? (zeroValue({ type: 'object', def }) as JsonObject)
  }

  #typeError(value: string, goType: string): undefined {
    if (!this.#fromTree) throw ODD
    this.#firstError ??= this.#typeErrorText(value, goType)
    return undefined
  }

  #typeErrorText(value: string, goType: string): string {
    const target = this.#fields.length ? `struct field ${this.#struct}.${this.#fields.join('.')}` : 'value'
    return `json: cannot unmarshal ${value} into Go ${target} of type ${goType}`
  }

  /** Types that decode themselves end the decoding at their first error. */
  #fail(message: string, cause?: unknown): never {
    if (!this.#fromTree) throw ODD
    throw new DecodeError(message, { cause })
  }

  #strictError(kind: 'unknown' | 'duplicate', key: string): void {
    const text = `${kind} field ${quoted(this.#path ? `${this.#path}.${key}` : key)}`
    if (this.strictErrors.length < MAX_STRICT_ERRORS && !this.strictErrors.includes(text)) this.strictErrors.push(text)
  }

  /** `undefined` is Go's nil or zero value. `owner` is the struct around it. */
  #value(schema: Schema, goType: string, node: Node, owner: TypeDef): JsonValue | undefined {
    switch (schema.type) {
      case 'object':
        if (node === null) return undefined
        if (typeof node !== 'object' || Array.isArray(node) || node instanceof NumberText) return this.#typeError(kindOf(node), goType)
        return node instanceof Entries ? this.#entries(schema.def, node) : this.#members(schema.def, node)
      case 'array':
        if (node === null) return undefined
        if (!Array.isArray(node)) return this.#typeError(kindOf(node), goType)
        return this.#list(schema, goType, node, owner)
      case 'map':
        if (node === null) return undefined
        if (typeof node !== 'object' || Array.isArray(node) || node instanceof NumberText) return this.#typeError(kindOf(node), goType)
        return this.#map(schema.values, valueGoType(goType, schema.values), node, owner)
      case 'any':
      case 'fieldsV1':
        return this.#any(schema, node, owner)
      default:
        return node === null ? undefined : this.#scalar(schema, goType, node)
    }
  }

  /** A struct from JSON.parse: by field, in Go's order. */
  #members(def: TypeDef, node: { [key: string]: Node }): JsonObject {
    const out: JsonObject = {}
    let met = 0
    for (const field of def.fields) {
      const member = node[field.name]
      if (member === undefined) {
        putField(out, field, undefined)
        continue
      }
      met++
      putField(out, field, this.#value(field.schema, field.go ? field.go.type : '', member, def), this.#emptyOnes)
    }
    if (Object.keys(node).length !== met && countSet(node) !== met) throw ODD
    this.keys += met
    return out
  }

  /** A struct from the tree: in the document's order, then written in Go's. */
  #entries(def: TypeDef, node: Entries): JsonObject {
    const decoded = new Map<Field, JsonValue | undefined>()
    const [struct, path] = [this.#struct, this.#path]
    node.keys.forEach((key, i) => {
      const field = def.fieldByName.get(key)
      if (!field) {
        if (!def.preserveUnknownFields) this.#strictError('unknown', key)
        return
      }
      if (decoded.has(field)) this.#strictError('duplicate', key)
      const names = field.go ? [...field.go.embeddedIn, key] : [key]
      this.#fields.push(...names)
      this.#struct = def.goName.split('.').pop() as string
      this.#path = path ? `${path}.${key}` : key
      const value = this.#value(field.schema, field.go?.type ?? goTypeOf(field.schema), node.values[i] as JsonTree, def)
      decoded.set(field, merged(field.schema, decoded.get(field), value))
      this.#fields.length -= names.length
      this.#struct = struct
      this.#path = path
    })
    const out: JsonObject = {}
    for (const field of def.fields) putField(out, field, decoded.get(field), this.#emptyOnes)
    return out
  }

  /** A list that is owned as a whole is compared as it was given. */
  #list(schema: ArraySchema, goType: string, node: Node[], owner: TypeDef): JsonValue[] {
    const emptyOnes = this.#emptyOnes
    if (emptyOnes === 'required' && schema.listType === 'atomic') this.#emptyOnes = 'all'
    const list = this.#array(schema.items, itemGoType(goType, schema.items), node, owner)
    this.#emptyOnes = emptyOnes
    return list
  }

  #array(items: Schema, goType: string, node: Node[], owner: TypeDef): JsonValue[] {
    const path = this.#path
    const out = node.map((item, i) => {
      if (this.#fromTree) this.#path = `${path}[${i}]`
      return this.#value(items, goType, item, owner) ?? zeroValue(items)
    })
    this.#path = path
    return out
  }

  #map(values: Schema, goType: string, node: Entries | { [key: string]: Node }, owner: TypeDef): JsonObject {
    const out: JsonObject = {}
    if (!(node instanceof Entries)) {
      for (const key of inOrder(Object.keys(node))) {
        this.keys++
        setMember(out, key, this.#value(values, goType, node[key] as Node, owner) ?? zeroItem(values))
      }
      return out
    }
    const path = this.#path
    node.keys.forEach((key, i) => {
      if (Object.hasOwn(out, key)) this.#strictError('duplicate', key)
      this.#path = path ? `${path}.${key}` : key
      setMember(out, key, this.#value(values, goType, node.values[i] as JsonTree, owner) ?? zeroItem(values))
      this.#path = path
    })
    const ordered: JsonObject = {}
    for (const key of inOrder(Object.keys(out))) setMember(ordered, key, out[key] as JsonValue)
    return ordered
  }

  #any(schema: ScalarSchema, node: Node, owner: TypeDef): JsonValue | undefined {
    if (node === null) return undefined
    if (schema.definition && schema.definition !== 'JSON') return this.#schemaOr(schema.definition, node, owner)
    if (this.#fromTree) return treeToValue(node as JsonTree) as JsonValue
    this.keys += countKeys(node)
    return node as JsonValue
  }

  /**
   * The unions inside JSONSchemaProps; `owner` is that struct, which they contain again. They decode themselves: of several type
   * errors inside the first one ends the decoding, and what is of none of their shapes is nothing at all.
   */
  #schemaOr(definition: string, node: Node & {}, owner: TypeDef): JsonValue | undefined {
    const before = this.#firstError
    this.#firstError = undefined
    const value = this.#union(definition, node, owner)
    if (this.#firstError !== undefined) throw new DecodeError(this.#firstError)
    this.#firstError = before
    return value
  }

  #union(definition: string, node: Node & {}, owner: TypeDef): JsonValue | undefined {
    const shape = kindOf(node)
    if (shape === 'object') return this.#lenient(owner, node)
    if (definition === 'JSONSchemaPropsOrBool') return typeof node === 'boolean' ? node : this.#fail('boolean or JSON schema expected')
    if (!Array.isArray(node)) return undefined
    if (definition === 'JSONSchemaPropsOrStringArray') return this.#array({ type: 'string' }, 'string', node, owner)
    const schemas = node.map((item) => (item === null ? {} : this.#lenient(owner, item)))
    return schemas.length > 0 ? schemas : undefined
  }

  /** Those types decode themselves with plain encoding/json: unknown fields inside are dropped without a word. */
  #lenient(def: TypeDef, node: Node): JsonObject {
    const errors = this.strictErrors.length
    const value = this.#value({ type: 'object', def }, def.goName, node, def) as JsonObject
    this.strictErrors.length = errors
    return value
  }

  #scalar(schema: ScalarSchema, goType: string, node: Node & {}): JsonValue | undefined {
    switch (schema.type) {
      case 'string':
        return typeof node === 'string' ? node : this.#typeError(kindOf(node), goType)
      case 'boolean':
        return typeof node === 'boolean' ? node : this.#typeError(kindOf(node), goType)
      case 'int32':
      case 'int64':
        return this.#integer(schema.type, goType, node)
      case 'double':
        if (typeof node === 'number') return node
        return node instanceof NumberText ? Number(node.text) : this.#typeError(kindOf(node), goType)
      case 'intOrString':
        return typeof node === 'string' ? node : this.#integerOrFail(node)
      default:
        return this.#text(schema.type, node)
    }
  }

  #integer(type: 'int32' | 'int64', goType: string, node: Node & {}): number | undefined {
    if (typeof node === 'number') {
      const fits = Number.isSafeInteger(node) && (type === 'int64' || (node <= INT32_MAX && node >= -INT32_MAX - 1))
      return fits ? node : this.#typeError('number', goType)
    }
    if (!(node instanceof NumberText)) return this.#typeError(kindOf(node), goType)
    const { text } = node
    const max = type === 'int32' ? BigInt(INT32_MAX) : INT64_MAX
    const value = /^-?\d+$/.test(text) ? BigInt(text) : undefined
    if (value === undefined || value > max || value < -max - 1n) return this.#typeError(`number ${text}`, goType)
    return asJsonValue(numberOf(text)) as number
  }

  /** IntOrString decodes itself as an int32. */
  #integerOrFail(node: Node & {}): number {
    const before = this.#firstError
    const value = this.#integer('int32', 'int32', node)
    if (value !== undefined) return value
    const kind = node instanceof NumberText ? `number ${node.text}` : kindOf(node)
    this.#firstError = before
    return this.#fail(this.#typeErrorText(kind, 'int32'))
  }

  /** Go takes a list of small numbers, too. */
  #bytes(node: Node & {}): string | undefined {
    if (typeof node === 'string') return canonicalBase64(node)
    if (!Array.isArray(node)) return this.#typeError(kindOf(node), '[]uint8')
    const bytes = node.map((item) => {
      if (item === null) return 0
      const text = item instanceof NumberText ? item.text : String(item)
      if (/^\d+$/.test(text) && typeof item !== 'string' && Number(text) < 256) return Number(text)
      this.#typeError(item instanceof NumberText ? `number ${text}` : kindOf(item), 'uint8')
      return 0
    })
    return Buffer.from(bytes).toString('base64')
  }

  #text(type: ScalarSchema['type'], node: Node & {}): string | undefined {
    try {
      if (type === 'quantity') return quantityOf(node)
      if (type === 'bytes') return this.#bytes(node)
      if (typeof node !== 'string') return this.#fail(this.#fromTree ? this.#typeErrorText(kindOf(node), 'string') : '')
      if (type === 'time') return canonicalTime(node)
      if (type === 'microTime') return canonicalMicroTime(node)
      return formatDuration(parseDuration(node))
    } catch (error) {
      if (error instanceof Base64Error) {
        if (!this.#fromTree) throw ODD
        this.#firstError ??= error.message
        return undefined
      }
      if (error instanceof QuantityError || error instanceof TimeError) return this.#fail(error.message, error)
      throw error
    }
  }
}

/** A quantity may be given as a number; anything else than text and numbers fails as text would. */
function quantityOf(node: Node & {}): string {
  if (typeof node === 'string') return canonicalQuantity(node.trim())
  if (typeof node === 'number') return canonicalQuantity(String(node))
  return canonicalQuantity(node instanceof NumberText ? node.text : JSON.stringify(treeToValue(node as JsonTree)))
}

/** Go decodes a second value of the same field into the first: maps and structs merge. */
function merged(schema: Schema, before: JsonValue | undefined, value: JsonValue | undefined): JsonValue | undefined {
  if (before === undefined || value === undefined || (schema.type !== 'map' && schema.type !== 'object')) return value
  return { ...(before as JsonObject), ...(value as JsonObject) }
}

/** Objects made in this process may have members that are undefined: they are not there. */
function countSet(node: { [key: string]: Node | undefined }): number {
  return Object.values(node).filter((member) => member !== undefined).length
}

function countKeys(node: Node): number {
  if (typeof node !== 'object' || node === null) return 0
  if (Array.isArray(node)) return node.reduce<number>((sum, item) => sum + countKeys(item), 0)
  const members = Object.values(node as { [key: string]: Node })
  return members.reduce<number>((sum, member) => sum + countKeys(member), members.length)
}
