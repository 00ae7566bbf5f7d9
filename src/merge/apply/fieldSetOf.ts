/** The field set of an applied configuration, and of an object when fields are pruned. */
import type { ArraySchema, MapSchema, ObjectSchema, Schema, TypeDef } from '../../api/catalog/schema.ts'
import { isObject, type JsonObject } from '../jsonValue.ts'
import { EMPTY, type FieldSet, isMember, LEAF, makeNode } from './fieldSet.ts'
import { fieldElement, fieldSchema, granular, isHollow, itemsByElement, rootSchema } from './typedValue.ts'

/** Every field that an object has. */
export function fieldSetOf(object: JsonObject, type: TypeDef): FieldSet {
  return setOfMap(object, rootSchema(type), false) ?? EMPTY
}

/** `member`: whether the value itself is in the set in any case, as items of lists and values of maps are. */
function setOf(value: unknown, schema: Schema | undefined, member: boolean): FieldSet | undefined {
  const parts = granular(schema, value)
  if (!parts) return LEAF
  if (parts.type === 'array') return Array.isArray(value) ? setOfList(value, parts, member) : makeNode(member, {})
  return setOfMap(value, parts, member)
}

function setOfMap(value: unknown, schema: ObjectSchema | MapSchema, member: boolean): FieldSet | undefined {
  const children: Record<string, FieldSet> = {}
  for (const [key, part] of Object.entries(isObject(value) ? value : {})) {
    const named = schema.type === 'object' && schema.def.fieldByName.has(key)
    const hollow = part === null || (isObject(part) && isHollow(part))
    const child = setOf(part, fieldSchema(schema, key), !named || hollow)
    if (child) children[fieldElement(key)] = child
  }
  return makeNode(member, children)
}

function setOfList(list: readonly unknown[], schema: ArraySchema, member: boolean): FieldSet | undefined {
  const children: Record<string, FieldSet> = {}
  for (const [element, items] of itemsByElement(schema, list)) {
    children[element] = items.length > 1 ? LEAF : (setOf(items[0], schema.items, true) ?? LEAF)
  }
  return makeNode(member, children)
}

/** The set with every struct field on the way to a member made a member itself. */
export function withNamedFields(set: FieldSet, type: TypeDef): FieldSet {
  return nameFields(set, rootSchema(type), false) ?? EMPTY
}

function nameFields(node: FieldSet, schema: Schema | undefined, member: boolean): FieldSet | undefined {
  const children: Record<string, FieldSet> = {}
  for (const [element, child] of Object.entries(node)) {
    if (element === '.') continue
    const key = element.slice(2)
    if (!element.startsWith('f:')) {
      const items = schema?.type === 'array' ? schema.items : undefined
      children[element] = nameFields(child, items, isMember(child)) ?? LEAF
      continue
    }
    const map = schema?.type === 'object' || schema?.type === 'map' ? schema : undefined
    const named = map?.type === 'object' && map.def.fieldByName.has(key)
    const below = nameFields(child, map && fieldSchema(map, key), named || isMember(child))
    if (below) children[element] = below
  }
  return makeNode(member, children)
}
