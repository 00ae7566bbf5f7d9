/**
 * Values against a structural schema, in the words of upstream's validator (kube-openapi's go-openapi/validate). With the old
 * value beside it, what was wrong before and has not changed may stay (ratcheting).
 */
import { RE2JS } from 're2js'
import { isWhole } from '../../api/codec/longIntegers.ts'
import { deepEqual } from '../../api/meta.ts'
import { invalid, notSupported, required, tooLong, tooMany } from '../../api/validation/fieldErrors.ts'
import type { FieldError } from '../../api/status.ts'
import type { Correlated } from './correlation.ts'
import { formatCheck, isKnownFormat } from './formats.ts'
import { isMap } from './jsonSchema.ts'
import type { Json, JsonSchema } from './jsonSchema.ts'

interface Fault {
  /** Where, from the root of the schema; undefined for those that upstream reports of the whole. */
  path: string | undefined
  /** What two faults are told apart by. */
  text: string
  at(field: string): FieldError
}

/** What a part of the validation found; `matches` tells which of several failed alternatives came closest. */
class Result {
  readonly faults: Fault[] = []
  matches = 0

  add(fault: Fault | undefined): void {
    if (fault && !this.faults.some(({ text }) => text === fault.text)) this.faults.push(fault)
  }

  merge(other: Result): void {
    for (const fault of other.faults) this.add(fault)
    this.matches += other.matches
  }

  get isValid(): boolean {
    return this.faults.length === 0
  }
}

const inBody = (path: string, what: string): string => `${path} in body ${what}`

function fault(path: string, what: string, value: unknown): Fault {
  const text = inBody(path, what)
  return { path, text, at: (field) => invalid(field, value ?? '', text) }
}

function wrongType(path: string, wanted: string, found: string): Fault {
  const text = inBody(path, `must be of type ${wanted}: ${JSON.stringify(found)}`)
  return { path, text, at: (field) => ({ ...invalid(field, found, text), type: 'FieldValueTypeInvalid' }) }
}

/** Upstream names no field for these. */
function ofTheWhole(text: string): Fault {
  return { path: undefined, text, at: (field) => invalid(field, '', text) }
}

function typesOf(schema: JsonSchema): readonly string[] {
  if (schema['x-kubernetes-int-or-string']) return ['integer', 'string']
  return schema.type ? [schema.type] : []
}

const INT64 = 2 ** 63

/** What does not fit into 64 bits was read as a double. */
const isInt64 = (value: number | bigint): boolean => typeof value === 'bigint' || Math.abs(value) < INT64

function typeName(value: unknown): string {
  if (isWhole(value)) return isInt64(value) ? 'integer' : 'number'
  if (typeof value === 'number') return 'number'
  if (Array.isArray(value)) return 'array'
  return typeof value
}

function formatOf(schema: JsonSchema): string {
  const { format } = schema
  const type = schema['x-kubernetes-int-or-string'] ? 'integer,string' : schema.type
  return format && isKnownFormat(type, format) ? format : ''
}

const FORMAT_OF_TYPE: Readonly<Record<string, string>> = { integer: 'int64', number: 'float64' }

function checkType(value: unknown, schema: JsonSchema, path: string): Fault | undefined {
  const types = typesOf(schema)
  const format = formatOf(schema)
  if (types.length === 0 && format === '') return undefined
  if (value === null) return types.length > 0 && !schema.nullable ? wrongType(path, types.join(','), 'null') : undefined
  const found = typeName(value)
  const fits = types.includes(found) || (found === 'integer' && types.includes('number'))
  const hasText = found === 'string' || found === 'array'
  const foundFormat = FORMAT_OF_TYPE[found] ?? ''
  if (!hasText && format !== '' && !fits && foundFormat !== format) return wrongType(path, format, foundFormat)
  if (!types.includes('number') && !types.includes('integer') && format !== '' && hasText) return undefined
  return fits ? undefined : wrongType(path, types.join(','), found)
}

const PATTERNS_LIMIT = 2_000
const patterns = new Map<string, RE2JS | string>()

/** Compiled once; the error's text where it cannot be. Linear in the text, whatever the pattern. */
export function compilePattern(pattern: string): RE2JS | string {
  let compiled = patterns.get(pattern)
  if (compiled === undefined) {
    if (patterns.size >= PATTERNS_LIMIT) patterns.clear()
    try {
      compiled = RE2JS.compile(pattern)
    } catch (error) {
      compiled = error instanceof Error ? error.message : String(error)
    }
    patterns.set(pattern, compiled)
  }
  return compiled
}

/** Characters are code points. */
function lengthOf(text: string): number {
  let surrogates = 0
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xd800) surrogates++
  return text.length - surrogates
}

function checkString(text: string, schema: JsonSchema, path: string): Fault | undefined {
  const { maxLength, minLength, pattern } = schema
  if (maxLength !== undefined && text.length > maxLength && lengthOf(text) > maxLength) {
    return { ...fault(path, `should be at most ${maxLength} chars long`, text), at: (field) => tooLong(field, maxLength) }
  }
  if (minLength !== undefined && lengthOf(text) < minLength) return fault(path, `should be at least ${minLength} chars long`, text)
  if (pattern) {
    const compiled = compilePattern(pattern)
    if (typeof compiled === 'string') return fault(path, `should match '${pattern}, but pattern is invalid: ${compiled}'`, text)
    if (!compiled.matcher(text).find()) return fault(path, `should match '${pattern}'`, text)
  }
  return undefined
}

function checkFormat(text: string, schema: JsonSchema, path: string): Fault | undefined {
  const format = formatOf(schema)
  const check = format === '' ? undefined : formatCheck(format)
  if (!check || check(text)) return undefined
  const message = inBody(path, `must be of type ${format}: ${JSON.stringify(text)}`)
  return { path, text: message, at: (field) => ({ ...invalid(field, text, message), type: 'FieldValueTypeInvalid' }) }
}

const INT32 = 2 ** 31
const FLOAT32_MAX = 3.4028234663852886e38

function inRange(value: number | bigint, type: string, format: string): boolean {
  if (type === 'integer') {
    if (!isWhole(value)) return false
    return format === 'int32' ? value >= -INT32 && value < INT32 : isInt64(value)
  }
  return format !== 'float' || Math.abs(Number(value)) <= FLOAT32_MAX
}

function checkRange(value: number | bigint, schema: JsonSchema, what: string, path: string): Fault | undefined {
  const type = schema['x-kubernetes-int-or-string'] ? '' : (schema.type ?? '')
  const format = formatOf(schema)
  if (inRange(value, type, format)) return undefined
  const text = format
    ? `${what} value must be of type ${type} with format ${format} in ${path}`
    : `${what} value must be of type ${type} (default format) in ${path}`
  return ofTheWhole(text)
}

/** A whole number is compared with the whole part of a bound. */
const boundFor = (value: number | bigint, bound: number | undefined): number | undefined =>
  bound !== undefined && isWhole(value) && isInt64(value) ? Math.trunc(bound) : bound

function checkNumber(value: number | bigint, schema: JsonSchema, path: string, result: Result): void {
  const { exclusiveMaximum, exclusiveMinimum } = schema
  const [multipleOf, maximum, minimum] = [schema.multipleOf, schema.maximum, schema.minimum].map((bound) => boundFor(value, bound))
  result.add(checkRange(value, schema, 'Checked', path))
  if (multipleOf !== undefined) {
    result.add(checkRange(multipleOf, schema, 'MultipleOf', path))
    const times = multipleOf < 1 ? (1 / multipleOf) * Number(value) : Number(value) / multipleOf
    if (multipleOf <= 0) {
      const text = `factor MultipleOf declared for ${path} must be positive: ${multipleOf}`
      result.add({ path, text, at: (field) => invalid(field, multipleOf, text) })
    } else if (
      typeof value === 'bigint' && Number.isSafeInteger(multipleOf)
        ? value % BigInt(multipleOf) !== 0n
        : Math.abs(times) > Number.MAX_SAFE_INTEGER
          ? !isWhole(value) || !isInt64(value)
          : !Number.isInteger(times) && Math.abs(times - Math.round(times)) > 1e-9 * Math.max(1, Math.abs(times))
    )
      result.add(fault(path, `should be a multiple of ${multipleOf}`, value))
  }
  if (maximum !== undefined) {
    result.add(checkRange(maximum, schema, 'Maximum boundary', path))
    if (exclusiveMaximum ? value >= maximum : value > maximum)
      result.add(fault(path, `should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`, value))
  }
  if (minimum !== undefined) {
    result.add(checkRange(minimum, schema, 'Minimum boundary', path))
    if (exclusiveMinimum ? value <= minimum : value < minimum)
      result.add(fault(path, `should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`, value))
  }
}

/** As Go converts one number's type to the other's: what is no whole number loses its fraction. */
function isAllowed(value: unknown, allowed: unknown): boolean {
  if (typeof value === 'number' && !Number.isInteger(value) && isWhole(allowed)) return Math.trunc(value) === Number(allowed)
  return deepEqual(value, allowed)
}

function checkEnum(value: unknown, schema: JsonSchema, path: string): Fault | undefined {
  const { enum: values } = schema
  if (!values?.length || values.some((allowed) => allowed !== null && isAllowed(value, allowed))) return undefined
  const shown = values.map((allowed) => (typeof allowed === 'string' ? allowed : JSON.stringify(allowed)))
  return { path, text: inBody(path, 'should be one of'), at: (field) => notSupported(field, value, shown) }
}

class Validation {
  /** `root` is the path of the value that `correlated` belongs to. */
  check(value: unknown, schema: JsonSchema, path: string, correlated: Correlated | undefined): Result {
    const result = new Result()
    if (value === null || value === undefined) {
      result.add(checkType(value ?? null, schema, path))
      result.add(checkEnum(value ?? null, schema, path))
      result.matches++
    } else this.#checkValue(value, schema, path, correlated, result)
    return result.isValid || !correlated?.unchanged ? result : new Result()
  }

  #checkValue(value: unknown, schema: JsonSchema, path: string, correlated: Correlated | undefined, result: Result): void {
    result.add(checkType(value, schema, path))
    result.matches++
    this.#alternatives(value, schema, path, correlated, result)
    if (typeof value === 'string') {
      result.add(checkString(value, schema, path))
      result.add(checkFormat(value, schema, path))
    } else if (typeof value === 'number' || typeof value === 'bigint') {
      checkNumber(value, schema, path, result)
      result.matches++
    } else if (Array.isArray(value)) this.#list(value, schema, path, correlated, result)
    result.add(checkEnum(value, schema, path))
    if (isMap(value)) this.#map(value, schema, path, correlated, result)
    result.matches++
  }

  #alternatives(value: unknown, schema: JsonSchema, path: string, correlated: Correlated | undefined, result: Result): void {
    const { anyOf, oneOf, allOf, not } = schema
    const plain = (alternative: JsonSchema): Result => this.#alternative(value, alternative, path, correlated)
    const closest = (results: readonly Result[]): Result => results.reduce((best, next) => (next.matches > best.matches ? next : best))
    if (anyOf?.length) {
      const results = anyOf.map(plain)
      const first = results.find((one) => one.isValid)
      if (!first) result.add(ofTheWhole(`${JSON.stringify(path)} must validate at least one schema (anyOf)`))
      result.merge(first ?? closest(results))
    }
    if (oneOf?.length) {
      const results = oneOf.map(plain)
      const valid = results.filter((one) => one.isValid)
      if (valid.length !== 1) {
        const found = valid.length === 0 ? 'Found none valid' : `Found ${valid.length} valid alternatives`
        result.add(ofTheWhole(`${JSON.stringify(path)} must validate one and only one schema (oneOf). ${found}`))
      }
      if (valid.length === 0) result.merge(closest(results))
      else if (valid.length === 1) result.merge(valid[0] as Result)
    }
    if (allOf?.length) {
      const results = allOf.map(plain)
      for (const one of results) result.merge(one)
      if (results.some((one) => !one.isValid)) {
        const none = results.every((one) => !one.isValid) ? '. None validated' : ''
        result.add(ofTheWhole(`${JSON.stringify(path)} must validate all the schemas (allOf)${none}`))
      }
    }
    if (not && plain(not).isValid) result.add(ofTheWhole(`${JSON.stringify(path)} must not validate the schema (not)`))
  }

  /** Alternatives are judged as a whole: only what is below them may stay as it was. */
  #alternative(value: unknown, schema: JsonSchema, path: string, correlated: Correlated | undefined): Result {
    const result = new Result()
    if (value === null || value === undefined) return this.check(value, schema, path, undefined)
    this.#checkValue(value, schema, path, correlated, result)
    return result
  }

  #list(list: readonly unknown[], schema: JsonSchema, path: string, correlated: Correlated | undefined, result: Result): void {
    const { items, minItems, maxItems } = schema
    if (items) {
      for (const [i, item] of list.entries()) result.merge(this.check(item, items, `${path}[${i}]`, correlated?.index(i)))
    }
    if (minItems !== undefined && list.length < minItems) result.add(fault(path, `should have at least ${minItems} items`, list.length))
    if (maxItems !== undefined && list.length > maxItems) {
      const text = `should have at most ${maxItems} items`
      result.add({ ...fault(path, text, list.length), at: (field) => tooMany(field, list.length, maxItems) })
    }
    result.matches++
  }

  #map(map: Json, schema: JsonSchema, path: string, correlated: Correlated | undefined, result: Result): void {
    const { minProperties, maxProperties, properties = {}, additionalProperties } = schema
    const keys = Object.keys(map)
    if (minProperties !== undefined && keys.length < minProperties)
      result.add(fault(path, `should have at least ${minProperties} properties`, keys.length))
    if (maxProperties !== undefined && keys.length > maxProperties) {
      const text = `should have at most ${maxProperties} properties`
      result.add({ ...fault(path, text, keys.length), at: (field) => tooMany(field, keys.length, maxProperties) })
    }
    for (const key of keys) {
      const property = Object.hasOwn(properties, key) ? properties[key] : undefined
      const isTypeMeta = path === '' && (key === 'kind' || key === 'apiVersion')
      const below = isTypeMeta ? undefined : correlated?.key(key)
      if (property) result.merge(this.check(map[key], property, path === '' ? key : `${path}.${key}`, below))
      else if (additionalProperties === false) {
        const text = `${path}.${key} in body is a forbidden property`
        result.add({ path, text, at: (field) => invalid(field, key, text) })
      } else if (typeof additionalProperties === 'object') result.merge(this.check(map[key], additionalProperties, `${path}.${key}`, below))
    }
    for (const name of schema.required ?? []) {
      if (Object.hasOwn(map, name)) continue
      const at = `${path}.${name}`
      result.add({ path: at, text: inBody(at, 'is required'), at: (field) => required(field) })
    }
  }
}

const validation = new Validation()

/** What upstream prints for the path of the whole object. */
const NO_FIELD = '<nil>'

/** `base` is the field that the value is in, '' for the whole object; `correlated` has the old value where there is one. */
export function validateValue(value: unknown, schema: JsonSchema, base = '', correlated?: Correlated): FieldError[] {
  return validation.check(value, schema, '', correlated).faults.map(({ path, at }) => {
    const below = path?.replace(/^\./, '') ?? ''
    return at(below === '' ? base || NO_FIELD : base === '' ? below : `${base}.${below}`)
  })
}
