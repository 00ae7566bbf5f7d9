/** Whether an applied configuration fits its type; the texts are structured-merge-diff's. */
import type { ArraySchema, ObjectSchema, MapSchema, Schema, ScalarSchema, TypeDef } from '../../api/catalog/schema.ts'
import { goFormat, isObject, type JsonObject } from '../jsonValue.ts'
import { pathsOf, LEAF } from './fieldSet.ts'
import { BadItem, fieldElement, fieldSchema, itemElement, rootSchema } from './typedValue.ts'

interface Fault {
  path: string
  message: string
  isDuplicate?: boolean
}

const textOf = ({ path, message }: Fault): string => (path === '' ? message : `${path}: ${message}`)

/** What is wrong, in upstream's form; undefined if nothing is. Stored objects may hold an item twice. */
export function validateTyped(object: JsonObject, type: TypeDef, { stored = false } = {}): string | undefined {
  const faults: Fault[] = []
  validate(object, rootSchema(type), '', faults)
  const texts = (stored ? faults.filter(({ isDuplicate }) => !isDuplicate) : faults).map(textOf)
  if (texts.length <= 1) return texts[0]
  return ['errors:', ...texts.map((text) => `  ${text}`)].join('\n')
}

const print = (element: string): string => pathsOf({ [element]: LEAF })[0] ?? ''

function validate(value: unknown, schema: Schema | undefined, path: string, faults: Fault[]): void {
  if (value === null || value === undefined || schema === undefined) return
  switch (schema.type) {
    case 'any':
    case 'fieldsV1':
      return
    case 'array':
      if (Array.isArray(value)) validateList(value, schema, path, faults)
      else faults.push({ path, message: `expected list, got ${goPointer(value)}` })
      return
    case 'object':
    case 'map':
      if (isObject(value)) validateMap(value, schema, path, faults)
      else faults.push({ path, message: `expected map, got ${goPointer(value)}` })
      return
    default: {
      const message = scalarFault(value, schema)
      if (message !== undefined) faults.push({ path, message })
    }
  }
}

function validateMap(value: JsonObject, schema: ObjectSchema | MapSchema, path: string, faults: Fault[]): void {
  for (const [key, part] of Object.entries(value)) {
    const below = path + print(fieldElement(key))
    const known = fieldSchema(schema, key)
    if (!known) {
      faults.push({ path: below, message: 'field not declared in schema' })
      return
    }
    validate(part, known, below, faults)
  }
}

function validateList(list: readonly unknown[], schema: ArraySchema, path: string, faults: Fault[]): void {
  const seen = new Set<string>()
  for (const [i, item] of list.entries()) {
    let below = `${path}[${i}]`
    if (schema.listType !== 'atomic') {
      const element = elementOrFault(schema, item, i, path, faults)
      if (element === undefined) return
      if (seen.has(element)) faults.push({ path, message: `duplicate entries for key ${print(element)}`, isDuplicate: true })
      seen.add(element)
      below = path + print(element)
    }
    validate(item, schema.items, below, faults)
  }
}

function elementOrFault(schema: ArraySchema, item: unknown, i: number, path: string, faults: Fault[]): string | undefined {
  try {
    return itemElement(schema, item)
  } catch (error) {
    if (!(error instanceof BadItem)) throw error
    faults.push({ path, message: `element ${i}: ${error.message}` })
    return undefined
  }
}

function scalarFault(value: unknown, { type }: ScalarSchema): string | undefined {
  switch (type) {
    case 'int32':
    case 'int64':
    case 'double':
      return typeof value === 'number' || typeof value === 'bigint' ? undefined : `expected numeric (int or float), got ${goType(value)}`
    case 'string':
    case 'bytes':
    case 'duration':
      return typeof value === 'string' ? undefined : `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `expected boolean, got ${goPointer(value)}`
    default:
      return typeof value === 'object' ? `expected any scalar, got ${goPointer(value)}` : undefined
  }
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  if (typeof value === 'bigint') return 'int64'
  if (typeof value === 'object') return 'map[string]interface {}'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

/** Go's `%#v` of decoded JSON. */
function goSyntax(value: unknown): string {
  if (value === null) return 'interface {}(nil)'
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`
  if (!isObject(value)) return JSON.stringify(value)
  const entries = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${goSyntax(value[key])}`)
  return `map[string]interface {}{${entries.join(', ')}}`
}

/** Go's `%v` of a pointer to the wrapped value. */
function goPointer(value: unknown): string {
  return `&{${goFormat(value)}}`
}
