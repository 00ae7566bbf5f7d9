/**
 * How server-side apply sees a value of a type: which values are taken apart and which are owned as a whole, by which path
 * elements their parts go, and what Go's zero values are where JSON leaves a field out.
 */
import type { ArraySchema, Field, MapSchema, ObjectSchema, ScalarSchema, Schema, TypeDef } from '../../api/catalog/schema.ts'
import { isObject } from '../jsonValue.ts'

/** What unknown fields of custom resources are taken for: maps are granular, lists atomic. */
export const DEDUCED: ScalarSchema = { type: 'any', definition: '' }
export const DEDUCED_MAP: MapSchema = { type: 'map', values: DEDUCED, atomic: false }

export type Granular = ObjectSchema | MapSchema | ArraySchema

/** The schema that a value is taken apart by; undefined if it is owned as a whole. */
export function granular(schema: Schema | undefined, value: unknown): Granular | undefined {
  switch (schema?.type) {
    case 'object':
      return schema.def.atomic ? undefined : schema
    case 'map':
      return schema.atomic ? undefined : schema
    case 'array':
      return schema.listType === 'atomic' ? undefined : schema
    case 'any':
      return schema === DEDUCED && isObject(value) ? DEDUCED_MAP : undefined
    default:
      return undefined
  }
}

export function fieldSchema(schema: ObjectSchema | MapSchema, key: string): Schema | undefined {
  if (schema.type === 'map') return schema.values
  return schema.def.fieldByName.get(key)?.schema ?? (schema.def.preserveUnknownFields ? DEDUCED : undefined)
}

export function rootSchema(type: TypeDef): ObjectSchema {
  return { type: 'object', def: type }
}

/**
 * The value of a field that JSON leaves out, in an object that is there: Go holds structs by value and prints lists and
 * maps without omitempty as null. undefined if the field is really absent.
 */
export function zeroOf(schema: ObjectSchema | MapSchema, key: string): unknown {
  if (schema.type === 'map') return undefined
  const field = schema.def.fieldByName.get(key)
  if (!field?.go || field.go.pointer || field.go.omitZero) return undefined
  if (field.schema.type === 'object') return {}
  const printed = field.schema.type === 'array' || field.schema.type === 'map'
  return printed && !field.go.omitEmpty ? null : undefined
}

interface KeyField {
  name: string
  /** In JSON; '' if there is none. */
  default: string
}

const keyFieldsOf = new WeakMap<ArraySchema, readonly KeyField[]>()

function keyFields(schema: ArraySchema): readonly KeyField[] {
  let fields = keyFieldsOf.get(schema)
  if (fields) return fields
  const { items } = schema
  const fieldOf = (name: string): Field | undefined => (items.type === 'object' ? items.def.fieldByName.get(name) : undefined)
  fields = schema.listMapKeys.toSorted().map((name) => {
    const value = fieldOf(name)?.default
    return { name, default: value === undefined ? '' : JSON.stringify(value) }
  })
  keyFieldsOf.set(schema, fields)
  return fields
}

/** An item that can't be in its list: `.message` is upstream's. */
export class BadItem extends Error {
  override readonly name = 'BadItem'
}

/** The path element of an item of a `map` or `set` list. Throws BadItem. */
export function itemElement(schema: ArraySchema, item: unknown): string {
  if (schema.listType === 'set') return setElement(item)
  if (item === null) throw new BadItem('associative list with keys may not have a null element')
  if (!isObject(item)) throw new BadItem('associative list with keys may not have non-map elements')
  let element = ''
  for (const { name, default: byDefault } of keyFields(schema)) {
    const value = item[name]
    const json = value === undefined ? byDefault : JSON.stringify(value)
    if (json !== '') element += `${element === '' ? '' : ','}${JSON.stringify(name)}:${json}`
  }
  if (element !== '') return `k:{${element}}`
  const keys = `[${schema.listMapKeys.map((key) => JSON.stringify(key)).join(' ')}]`
  throw new BadItem(
    `associative list with keys has an element that omits all key fields ${keys} (and doesn't have default values for any key fields)`,
  )
}

function setElement(item: unknown): string {
  if (isObject(item)) throw new BadItem("associative list without keys has an element that's a map type")
  if (Array.isArray(item)) throw new BadItem('not supported: associative list with lists as elements')
  if (item === null) throw new BadItem("associative list without keys has an element that's an explicit null")
  return `v:${JSON.stringify(item)}`
}

export const fieldElement = (key: string): string => `f:${key}`

/** The items of a list by their path elements, in order; an element that occurs more than once has several items. */
export function itemsByElement(schema: ArraySchema, list: readonly unknown[]): Map<string, unknown[]> {
  const items = new Map<string, unknown[]>()
  for (const item of list) {
    const element = itemElement(schema, item)
    const same = items.get(element)
    if (same) same.push(item)
    else items.set(element, [item])
  }
  return items
}

/** Nothing inside: an empty or null map or list, or none at all. */
export function isHollow(value: unknown): boolean {
  if (value === undefined || value === null) return true
  if (Array.isArray(value)) return value.length === 0
  if (typeof value !== 'object') return false
  for (const _ in value) return false
  return true
}
