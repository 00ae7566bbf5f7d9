/**
 * Which members of a struct Go's encoder writes, and what it writes for values that are not there: the shape in which every
 * object of a built-in kind is stored and answered. A non-pointer that is empty is the same as one that is absent.
 */
import type { JsonObject, JsonValue } from '../resource.ts'
import type { Field, Schema, TypeDef } from '../catalog/schema.ts'

const zeros = new WeakMap<TypeDef, JsonObject>()

/** A struct nobody filled in: mostly `{}`, but required members show their zero. Shared: copy it to keep it. */
function zeroStruct(def: TypeDef): JsonObject {
  let zero = zeros.get(def)
  if (!zero) {
    zero = {}
    for (const field of def.fields) putField(zero, field, undefined)
    zeros.set(def, zero)
  }
  return zero
}

function copyOfZero(def: TypeDef): JsonObject {
  const zero = zeroStruct(def)
  for (const _ in zero) return structuredClone(zero)
  return {}
}

/** The zero of a type where a value must stand: an item of a list, a member of a map, a field without omitempty. */
export function zeroValue(schema: Schema): JsonValue {
  switch (schema.type) {
    case 'object':
      return copyOfZero(schema.def)
    case 'string':
      return ''
    case 'boolean':
      return false
    case 'int32':
    case 'int64':
    case 'double':
    case 'intOrString':
      return 0
    case 'quantity':
      return '0'
    case 'duration':
      return '0s'
    default:
      return null
  }
}

function isEmpty(value: JsonValue): boolean {
  return value === '' || value === 0 || value === false || (Array.isArray(value) && value.length === 0)
}

function isEmptyObject(value: JsonValue): boolean {
  for (const _ in value as object) return false
  return true
}

function isEmptyOne(value: JsonValue): boolean {
  return typeof value === 'string' || Array.isArray(value) ? value.length === 0 : isEmptyObject(value)
}

function equalsZero(schema: Schema, value: JsonValue): boolean {
  return JSON.stringify(value) === JSON.stringify(zeroValue(schema))
}

/** Which empty lists, maps and bytes are still told from none: all (as it was sent), those of required fields and in atomic lists, or none (as it is stored). */
export type EmptyOnes = 'all' | 'required' | 'none'

/** The empty lists and maps that a struct was given and does not show. Copies by spreading keep it; JSON and clones do not. */
const GIVEN_EMPTY = Symbol('given empty')

type Struct = { [GIVEN_EMPTY]?: JsonObject }

/**
 * The member, be it an empty list or map: the stored shape does not tell one from none, though rules that look for nil come
 * before storage.
 */
export function asGiven<T extends object, K extends string & keyof T>(struct: T, member: K): T[K] | undefined {
  return struct[member] ?? ((struct as Struct)[GIVEN_EMPTY]?.[member] as T[K] | undefined)
}

/** Whether an empty list or map was given somewhere in the value that the stored shape does not show. */
export function hidesEmptyOnes(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return (value as Struct)[GIVEN_EMPTY] !== undefined || Object.values(value).some(hidesEmptyOnes)
}

/** Whether a list or map somewhere in the value is empty. */
export function hasEmptyOnes(schema: Schema, value: JsonValue | undefined): boolean {
  if (value === undefined || value === null) return false
  switch (schema.type) {
    case 'object':
      return hasEmptyMembers(schema.def, value as JsonObject)
    case 'array':
      return isEmpty(value) || (value as JsonValue[]).some((item) => hasEmptyOnes(schema.items, item))
    case 'map':
      return isEmptyObject(value) || Object.values(value).some((item) => hasEmptyOnes(schema.values, item))
    default:
      return false
  }
}

/** By what there is, not by what there may be: a type has many more fields than an object. */
function hasEmptyMembers({ fieldByName }: TypeDef, object: JsonObject): boolean {
  for (const name in object) {
    const member = fieldByName.get(name)?.schema
    if (member && (member.type === 'bytes' ? object[name] === '' : hasEmptyOnes(member, object[name]))) return true
  }
  return false
}

/** Sets `field` in `out` as Go would write it; `undefined` stands for nil or for never set. */
export function putField(out: JsonObject, field: Field, value: JsonValue | undefined, emptyOnes: EmptyOnes = 'none'): void {
  const { go, schema, name } = field
  if (!go) {
    if (value !== undefined) out[name] = value
    return
  }
  if (go.pointer) {
    if (value !== undefined) out[name] = value
    else if (!go.omitEmpty) out[name] = null
    return
  }
  switch (schema.type) {
    case 'object':
    case 'time':
    case 'microTime':
    case 'quantity':
    case 'intOrString':
    case 'duration': {
      // These are structs in Go: omitempty does nothing for them, omitzero does.
      if (value === undefined && go.omitZero) return
      const set = value ?? zeroValue(schema)
      if (go.omitZero && equalsZero(schema, set)) return
      out[name] = set
      return
    }
    // Protobuf, in which upstream stores, does not tell an empty list from none. Lists of objects never pass through it.
    case 'array':
    case 'map':
    case 'bytes':
      if (value !== undefined && (!isEmptyOne(value) || emptyOnes === 'all' || (emptyOnes === 'required' && !go.omitEmpty)))
        out[name] = value
      else {
        if (value !== undefined) ((out as Struct)[GIVEN_EMPTY] ??= {})[name] = value
        if (!go.omitEmpty) out[name] = name === 'items' ? [] : null
      }
      return
    case 'any':
    case 'fieldsV1':
      if (value !== undefined) out[name] = value
      else if (!go.omitEmpty || go.type.startsWith('runtime.')) out[name] = null
      return
    default:
      if (value === undefined || isEmpty(value)) {
        if (!go.omitEmpty && !go.omitZero) out[name] = zeroValue(schema)
      } else out[name] = value
  }
}
