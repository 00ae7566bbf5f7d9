/** The catalog's types as declared types of expressions (k8s.io/apiserver/pkg/cel/common's SchemaDeclType). */
import type { Schema, TypeDef } from '../api/catalog/schema.ts'
import type { CelType } from './program.ts'

const DYN: CelType = { kind: 'dyn' }
const STRING: CelType = { kind: 'string' }

const SCALARS: Readonly<Record<string, CelType>> = {
  string: STRING,
  boolean: { kind: 'bool' },
  int32: { kind: 'int' },
  int64: { kind: 'int' },
  double: { kind: 'double' },
  bytes: { kind: 'bytes' },
  time: { kind: 'timestamp' },
  microTime: { kind: 'timestamp' },
  duration: STRING,
  quantity: STRING,
}

const objects = new WeakMap<TypeDef, CelType>()

/** Types that hold themselves (JSON schemas) do so here as well. */
export function celTypeOfDef(def: TypeDef): CelType {
  const known = objects.get(def)
  if (known) return known
  const fields = new Map<string, CelType>()
  const type: CelType = { kind: 'object', name: def.name || 'object', fields }
  objects.set(def, type)
  for (const { name, schema } of def.fields) fields.set(name, celTypeOfSchema(schema))
  return type
}

function celTypeOfSchema(schema: Schema): CelType {
  switch (schema.type) {
    case 'object':
      return celTypeOfDef(schema.def)
    case 'array': {
      const { listType, listMapKeys: mapKeys } = schema
      return { kind: 'list', of: celTypeOfSchema(schema.items), ...(listType !== 'atomic' && { listType, mapKeys }) }
    }
    case 'map':
      return { kind: 'map', of: celTypeOfSchema(schema.values) }
    default:
      return SCALARS[schema.type] ?? DYN
  }
}
