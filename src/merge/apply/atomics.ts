/** Which parts of a configuration are owned as a whole, so that naming some of their fields would remove the others. */
import type { Schema, TypeDef } from '../../api/catalog/schema.ts'
import { isObject, type JsonObject } from '../jsonValue.ts'
import { fieldSchema, rootSchema } from './typedValue.ts'

/** Paths such as `.spec.selector` and `.spec.volumes[0].secret`. */
export function atomicsOf(configuration: JsonObject, type: TypeDef): string[] {
  const found: string[] = []
  find(configuration, rootSchema(type), '', found)
  return found
}

function find(value: unknown, schema: Schema | undefined, path: string, found: string[]): void {
  if (schema?.type === 'array' && Array.isArray(value)) {
    if (schema.listType === 'atomic') found.push(path)
    for (const [i, item] of value.entries()) find(item, schema.items, `${path}[${i}]`, found)
  } else if ((schema?.type === 'object' || schema?.type === 'map') && isObject(value)) {
    if (schema.type === 'map' ? schema.atomic : schema.def.atomic) found.push(path)
    for (const [key, part] of Object.entries(value)) find(part, fieldSchema(schema, key), `${path}.${key}`, found)
  }
}
