/** Sets that were stored when their type looked different: a map or list that is atomic now is owned as a whole. */
import type { Schema, TypeDef } from '../../api/catalog/schema.ts'
import { EMPTY, type FieldSet, isEmpty, LEAF } from './fieldSet.ts'
import { fieldSchema, rootSchema } from './typedValue.ts'

/** Answers the set itself if the type has not changed in a way that matters. */
export function fitToSchema(set: FieldSet, type: TypeDef): FieldSet {
  return isEmpty(set) ? EMPTY : fit(set, rootSchema(type))
}

function isAtomic(schema: Schema): boolean {
  if (schema.type === 'object') return schema.def.atomic
  if (schema.type === 'map') return schema.atomic
  return schema.type === 'array' && schema.listType === 'atomic'
}

function fit(node: FieldSet, schema: Schema | undefined): FieldSet {
  if (!schema || isEmpty(node)) return node
  if (isAtomic(schema)) return LEAF
  let changed: Record<string, FieldSet> | undefined
  for (const element in node) {
    const child = node[element] as FieldSet
    const fitted = element === '.' ? child : fit(child, schemaBelow(schema, element))
    if (fitted !== child) (changed ??= { ...node })[element] = fitted
  }
  return changed ?? node
}

function schemaBelow(schema: Schema, element: string): Schema | undefined {
  if (schema.type === 'array') return schema.items
  if (schema.type !== 'object' && schema.type !== 'map') return undefined
  return element.startsWith('f:') ? fieldSchema(schema, element.slice(2)) : undefined
}
