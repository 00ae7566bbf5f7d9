/** JSON in and out: what variables hold becomes values by their declared types, and results become JSON again. */
import { fieldNameOf } from './escaping.ts'
import { formatDuration, formatTimestamp, parseDuration, parseTimestamp } from './library/time.ts'
import {
  Duration,
  JsonList,
  JsonMap,
  JsonObjectValue,
  ListValue,
  MapValue,
  NONE,
  OpaqueValue,
  OptionalValue,
  Timestamp,
  TypeValue,
  Uint,
  Work,
  toMapKey,
} from './values.ts'
import type { CelType } from './program.ts'
import type { Adapt, JsonObject, ListMeaning, ObjectShape, Value } from './values.ts'

const isValue = (json: object): json is Exclude<Value, null | boolean | bigint | number | string> =>
  json instanceof MapValue ||
  json instanceof ListValue ||
  json instanceof OpaqueValue ||
  json instanceof Timestamp ||
  json instanceof Duration ||
  json instanceof Uint ||
  json instanceof Uint8Array ||
  json instanceof OptionalValue ||
  json instanceof TypeValue

const INT_LIMIT = 2 ** 63

/** Without a declared type: whole numbers are ints. */
function adaptDyn(json: unknown): Value {
  switch (typeof json) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return json
    case 'number':
      return Number.isInteger(json) && Math.abs(json) < INT_LIMIT ? BigInt(json) : json
    case 'object':
      if (json === null) return null
      if (Array.isArray(json)) return new JsonList(json, adaptDyn, false)
      return isValue(json) ? json : new JsonMap(json as JsonObject, adaptDyn, false)
    default:
      return null
  }
}

function adaptInt(json: unknown): Value {
  return typeof json === 'number' && Number.isInteger(json) ? BigInt(json) : adaptDyn(json)
}

const adaptDouble = (json: unknown): Value => (typeof json === 'number' ? json : typeof json === 'bigint' ? Number(json) : adaptDyn(json))
const adaptUint = (json: unknown): Value => (typeof json === 'number' && Number.isInteger(json) ? new Uint(BigInt(json)) : adaptDyn(json))
const adaptBytes = (json: unknown): Value => (typeof json === 'string' ? Buffer.from(json, 'base64') : adaptDyn(json))

function adaptTimestamp(json: unknown): Value {
  if (typeof json !== 'string') return adaptDyn(json)
  return parseTimestamp(/^\d{4}-\d\d-\d\d$/.test(json) ? `${json}T00:00:00Z` : json) ?? json
}

const adaptDuration = (json: unknown): Value => (typeof json === 'string' ? (parseDuration(json) ?? json) : adaptDyn(json))

function adaptList(declared: Extract<CelType, { kind: 'list' }>): Adapt {
  const adaptItem = adapterOf(declared.of)
  const { listType, mapKeys = [] } = declared
  const meaning: ListMeaning | undefined = listType ? { listType, mapKeys } : undefined
  return (json) => (Array.isArray(json) ? new JsonList(json, adaptItem, true, meaning) : adaptDyn(json))
}

function adaptMap(declared: Extract<CelType, { kind: 'map' }>): Adapt {
  const adaptItem = adapterOf(declared.of)
  return (json) =>
    typeof json === 'object' && json !== null && !Array.isArray(json) && !isValue(json)
      ? new JsonMap(json as JsonObject, adaptItem, true)
      : adaptDyn(json)
}

function adaptObject(declared: Extract<CelType, { kind: 'object' }>): Adapt {
  let shape: ObjectShape | undefined
  return (json) => {
    if (typeof json !== 'object' || json === null || Array.isArray(json) || isValue(json)) return adaptDyn(json)
    shape ??= { name: declared.name, fields: fieldsOf(declared) }
    return new JsonObjectValue(json as JsonObject, shape)
  }
}

function fieldsOf(declared: Extract<CelType, { kind: 'object' }>): ObjectShape['fields'] {
  const known = new Map<string, { property: string; adapt: Adapt }>()
  for (const [property, type] of declared.fields) {
    const name = fieldNameOf(declared, property)
    if (name !== undefined) known.set(name, { property, adapt: adapterOf(type) })
  }
  return known
}

function adaptOptional(declared: Extract<CelType, { kind: 'optional' }>): Adapt {
  const adaptValue = adapterOf(declared.of)
  return (json) => (json === null ? NONE : new OptionalValue(adaptValue(json)))
}

const SCALARS: Partial<Record<CelType['kind'], Adapt>> = {
  int: adaptInt,
  uint: adaptUint,
  double: adaptDouble,
  bytes: adaptBytes,
  timestamp: adaptTimestamp,
  duration: adaptDuration,
}

const adapters = new WeakMap<CelType, Adapt>()

export function adapterOf(declared: CelType): Adapt {
  let adapt = adapters.get(declared)
  if (adapt) return adapt
  if (declared.kind === 'list') adapt = adaptList(declared)
  else if (declared.kind === 'map') adapt = adaptMap(declared)
  else if (declared.kind === 'object') adapt = adaptObject(declared)
  else if (declared.kind === 'optional') adapt = adaptOptional(declared)
  else adapt = SCALARS[declared.kind] ?? adaptDyn
  adapters.set(declared, adapt)
  return adapt
}

/** Values of Kubernetes' libraries stay what they are; ints beyond JavaScript's exact ones stay bigints. */
export function toJson(value: Value, work = new Work()): unknown {
  work.step()
  switch (typeof value) {
    case 'bigint':
      return toNumber(value)
    case 'object':
      break
    default:
      return value
  }
  if (value === null) return null
  if (value instanceof JsonList || value instanceof JsonMap || value instanceof JsonObjectValue) return value.json
  if (value instanceof ListValue) return [...value].map((item) => toJson(item, work))
  if (value instanceof MapValue)
    return Object.fromEntries(value.keys().map((key) => [String(toMapKey(key)), toJson(value.get(key)!, work)]))
  if (value instanceof Uint) return toNumber(value.value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof Timestamp) return formatTimestamp(value)
  if (value instanceof Duration) return formatDuration(value)
  if (value instanceof OptionalValue) return value.value === undefined ? null : toJson(value.value, work)
  return value instanceof TypeValue ? value.name : value
}

const toNumber = (value: bigint): unknown => (BigInt.asIntN(54, value) === value ? Number(value) : value)
