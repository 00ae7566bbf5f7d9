/**
 * What a value that comes out of a strategic merge patch or of apply has to be like to become Go's struct again
 * (k8s.io/apimachinery/pkg/runtime, FromUnstructured): the values are looked at, not a text, and the messages name no field.
 */
import { Base64Error, canonicalBase64 } from './base64.ts'
import { DecodeError, decodeValue, type Decoded } from './json.ts'
import { isWhole } from './longIntegers.ts'
import type { Field, Schema, TypeDef } from '../catalog/schema.ts'

/** What of Go the plain scalars are; the others read JSON by themselves. */
const GO_KINDS: Partial<Record<Schema['type'], string>> = {
  string: 'string',
  boolean: 'bool',
  int32: 'int32',
  int64: 'int64',
  double: 'float64',
}

/** Throws DecodeError. */
export function restore(value: object, def: TypeDef): Decoded {
  const odd = restoreError(value, def)
  if (odd) throw new DecodeError(odd)
  try {
    return decodeValue(value, def)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return decodeValue(withCutIntegers(value, def), def)
  }
}

/** The first thing that does not fit, in upstream's words; undefined where all does. */
function restoreError(value: unknown, def: TypeDef): string | undefined {
  return structError(value, def)
}

const INT64_MIN = -(2n ** 63n)

/** Integers that their fields have no room for, cut as Go converts them; the same value where all fit. */
function withCutIntegers(value: object, def: TypeDef): object {
  return cut(value, { type: 'object', def }) as object
}

function cut(value: unknown, schema: Schema | undefined): unknown {
  if (value === null || value === undefined || !schema) return value
  switch (schema.type) {
    case 'int32':
    case 'int64':
      return isWhole(value) ? cutTo(value, schema.type === 'int32' ? 32 : 64) : value
    case 'array':
      return Array.isArray(value) ? value.map((item) => cut(item, schema.items)) : value
    case 'object':
    case 'map': {
      if (kindOf(value) !== 'map') return value
      const below = (key: string): Schema | undefined => (schema.type === 'map' ? schema.values : schema.def.fieldByName.get(key)?.schema)
      return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, cut(member, below(key))]))
    }
    default:
      return value
  }
}

function cutTo(value: number | bigint, bits: number): number | bigint {
  const exact = BigInt(value)
  // What no int64 can hold is a double, which the processor converts to the least one.
  const long = BigInt.asIntN(64, exact) === exact ? exact : INT64_MIN
  const left = BigInt.asIntN(bits, long)
  return Number.isSafeInteger(Number(left)) ? Number(left) : left
}

function structError(value: unknown, def: TypeDef): string | undefined {
  if (kindOf(value) !== 'map') return `cannot restore struct from: ${kindOf(value)}`
  for (const field of def.fields) {
    const error = schemaError((value as Readonly<Record<string, unknown>>)[field.name], field.schema, field)
    if (error) return error
  }
  return undefined
}

function schemaError(value: unknown, schema: Schema, field?: Field): string | undefined {
  if (value === null || value === undefined) return undefined
  switch (schema.type) {
    case 'object':
      return structError(value, schema.def)
    case 'map':
      if (kindOf(value) !== 'map') return `cannot restore map from ${kindOf(value)}`
      return firstError(Object.values(value as object), schema.values)
    case 'array':
      if (!Array.isArray(value)) return `cannot restore slice from ${kindOf(value)}`
      return firstError(value, schema.items)
    case 'bytes':
      return bytesError(value)
    case 'intOrString':
      return kindOf(value) === 'string' || typeof value === 'number'
        ? undefined
        : `json: cannot unmarshal ${goJsonKindOf(value)} into Go value of type int32`
    default:
      return scalarError(value, GO_KINDS[schema.type], field?.go?.type)
  }
}

function firstError(values: readonly unknown[], schema: Schema): string | undefined {
  for (const value of values) {
    const error = schemaError(value, schema)
    if (error) return error
  }
  return undefined
}

/** Go converts numbers to one another, and an integer to a string, which JSON does not. */
function scalarError(value: unknown, goKind: string | undefined, goType: string | undefined): string | undefined {
  const kind = kindOf(value)
  if (!goKind || kind === goKind) return undefined
  const convertible = kind === 'int64' ? goKind !== 'bool' : kind === 'float64' && goKind.startsWith('int')
  if (!convertible) return `unrecognized type: ${goKind}`
  if (goKind !== 'string' && (kind === 'int64' || Number.isInteger(value))) return undefined
  return `cannot convert ${kind} to ${goType ?? goKind}`
}

/** A list of bytes is read from its text. */
function bytesError(value: unknown): string | undefined {
  if (typeof value !== 'string') return `cannot restore slice from ${kindOf(value)}`
  try {
    canonicalBase64(value)
    return undefined
  } catch (error) {
    if (error instanceof Base64Error) return `error decoding from json: ${error.message}`
    throw error
  }
}

function goJsonKindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : 'object'
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'slice'
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int64'
    case 'number':
      return Number.isInteger(value) ? 'int64' : 'float64'
    default:
      return 'map'
  }
}
