/** Types as the checker sees them: cel-go's kinds and names, which its messages print. */
import type { CelType } from './program.ts'

export type Kind = CelType['kind'] | 'param' | 'error'

export interface Type {
  readonly kind: Kind
  /** What messages print, type parameters aside. */
  readonly name: string
  readonly params: readonly Type[]
  /** How many types it is made of. */
  readonly weight: number
  /** What the type was declared as: bounds for costs, fields, the meaning of lists. */
  readonly declared?: CelType
}

/** A type that is made of more is any type: types can double with each step of an expression. */
const WEIGHT_LIMIT = 1000

const plain = (kind: Kind, name: string = kind): Type => ({ kind, name, params: [], weight: 1 })

function made(kind: Kind, name: string, params: readonly Type[], declared?: CelType): Type {
  const weight = params.reduce((sum, param) => sum + param.weight, 1)
  if (weight > WEIGHT_LIMIT) return DYN
  return { kind, name, params, weight, ...(declared && { declared }) }
}

export const DYN = plain('dyn')
export const BOOL = plain('bool')
export const INT = plain('int')
export const UINT = plain('uint')
export const DOUBLE = plain('double')
export const STRING = plain('string')
export const BYTES = plain('bytes')
export const NULL = plain('null_type', 'null')
export const TIMESTAMP = plain('timestamp')
export const DURATION = plain('duration')
export const TYPE = plain('type')
export const ERROR = plain('error', '!error!')

export const listOf = (of: Type): Type => made('list', 'list', [of])
export const mapOf = (key: Type, value: Type): Type => made('map', 'map', [key, value])
export const typeOf = (of: Type): Type => made('type', 'type', [of])
export const paramOf = (name: string): Type => plain('param', name)
export const opaque = (name: string, ...params: Type[]): Type => made('opaque', name, params)
export const optionalOf = (of: Type): Type => opaque('optional_type', of)

/** The name that `type(x)` answers and that an expression writes for the type. */
const RUNTIME_NAMES: Partial<Record<Kind, string>> = {
  null_type: 'null_type',
  timestamp: 'google.protobuf.Timestamp',
  duration: 'google.protobuf.Duration',
}
export const runtimeNameOf = (type: Type): string => RUNTIME_NAMES[type.kind] ?? type.name

/** As cel-go prints the type of a result. */
export function describeType(type: Type): string {
  const params = type.kind === 'type' || type.params.length > 0 ? type.params.map(describeType).join(', ') : ''
  return params ? `${runtimeNameOf(type)}(${params})` : runtimeNameOf(type)
}

const SIMPLE = new Map([DYN, BOOL, INT, UINT, DOUBLE, STRING, BYTES, NULL, TIMESTAMP, DURATION, TYPE].map((type) => [type.kind, type]))

const converted = new WeakMap<CelType, Type>()

/** The checker's view of a declared type; the same declaration gives the same type. */
export function toType(declared: CelType): Type {
  let type = converted.get(declared)
  if (type) return type
  if (declared.kind === 'list') type = { ...listOf(toType(declared.of)), declared }
  else if (declared.kind === 'map') type = { ...mapOf(declared.key ? toType(declared.key) : STRING, toType(declared.of)), declared }
  else if (declared.kind === 'object') type = { ...plain('object', declared.name), declared }
  else if (declared.kind === 'optional') type = { ...optionalOf(toType(declared.of)), declared }
  else if (declared.kind === 'opaque') type = opaque(declared.name)
  else type = { ...SIMPLE.get(declared.kind)!, declared }
  converted.set(declared, type)
  return type
}

export function sameType(a: Type, b: Type): boolean {
  if (a === b) return true
  return (
    a.kind === b.kind &&
    a.name === b.name &&
    a.params.length === b.params.length &&
    a.params.every((param, i) => sameType(param, b.params[i]!))
  )
}

export const isDyn = (type: Type): boolean => type.kind === 'dyn'
const isDynOrError = (type: Type): boolean => type.kind === 'dyn' || type.kind === 'error'
export const isOptional = (type: Type): boolean => type.kind === 'opaque' && type.name === 'optional_type'
export const unwrapOptional = (type: Type): Type => (isOptional(type) ? type.params[0]! : type)

export function formatType(type: Type): string {
  if (type.params.length === 0) return type.name
  return `${type.name}(${type.params.map(formatType).join(', ')})`
}

/** `(int, string)`, or `list(int).(int)` for a call on a receiver. */
export function formatSignature(types: readonly Type[], isMember: boolean): string {
  const [target, ...rest] = types
  const args = (isMember ? rest : types).map(formatType).join(', ')
  return isMember && target ? `${formatType(target)}.(${args})` : `(${args})`
}

/** Types of Kubernetes' libraries are objects to the language, whose fields nobody knows. */
export function hasNoFields(type: Type): string {
  if (type.kind === 'opaque' && type.name.startsWith('kubernetes.')) return `unexpected failed resolution of '${type.name}'`
  return `type '${formatType(type)}' does not support field selection`
}

interface Known {
  get(name: string): Type | undefined
}

/** What type parameters stand for, so far. What is tried in vain leaves no trace. */
export class Mapping implements Known {
  readonly #types = new Map<string, Type>()
  #trail: { name: string; before: Type | undefined }[] = []

  get(name: string): Type | undefined {
    return this.#types.get(name)
  }

  set(name: string, type: Type): void {
    this.#trail.push({ name, before: this.#types.get(name) })
    this.#types.set(name, type)
  }

  /** Whether each of the types may stand where its counterpart is asked for; if so, parameters stand for what makes it so. */
  assign(types: readonly Type[], wanted: readonly Type[]): boolean {
    const fits = types.length === wanted.length && types.every((type, i) => assignInto(this, type, wanted[i]!))
    if (!fits) {
      for (const { name, before } of this.#trail.toReversed()) {
        if (before) this.#types.set(name, before)
        else this.#types.delete(name)
      }
    }
    this.#trail = []
    return fits
  }
}

const NULLABLE: ReadonlySet<Kind> = new Set<Kind>(['opaque', 'object', 'timestamp', 'duration', 'null_type'])

function isLessSpecific(a: Type, b: Type): boolean {
  if (isDyn(a) || a.kind === 'param') return true
  if (isDyn(b) || b.kind === 'param' || a.kind !== b.kind) return false
  if (a.kind === 'type') return true
  if (a.params.length === 0 && b.params.length === 0) return a.name === b.name
  return a.name === b.name && a.params.length === b.params.length && a.params.every((param, i) => isLessSpecific(param, b.params[i]!))
}

export const mostGeneral = (a: Type, b: Type): Type => (isLessSpecific(a, b) ? a : b)

function isFreeOf(mapping: Mapping, param: Type, within: Type): boolean {
  if (sameType(param, within)) return false
  if (within.kind === 'param') {
    const found = mapping.get(within.name)
    return !found || isFreeOf(mapping, param, found)
  }
  return within.params.every((inner) => isFreeOf(mapping, param, inner))
}

/** What comes of letting the parameter stand for the type: whether that is so, and whether it stood for something already. */
function bind(mapping: Mapping, type: Type, param: Type): { valid: boolean; wasBound: boolean } {
  if (sameType(type, param)) return { valid: true, wasBound: true }
  const bound = mapping.get(param.name)
  if (bound) {
    if (sameType(type, bound)) return { valid: true, wasBound: true }
    if (!assignInto(mapping, type, bound)) return { valid: false, wasBound: true }
    const general = mostGeneral(type, bound)
    if (isFreeOf(mapping, param, general)) mapping.set(param.name, general)
    return { valid: true, wasBound: true }
  }
  if (!isFreeOf(mapping, param, type)) return { valid: false, wasBound: false }
  mapping.set(param.name, type)
  return { valid: true, wasBound: false }
}

function assignInto(mapping: Mapping, a: Type, b: Type): boolean {
  if (b.kind === 'param') {
    const { valid, wasBound } = bind(mapping, a, b)
    if (valid || wasBound) return valid
  }
  if (a.kind === 'param') return bind(mapping, b, a).valid
  if (isDynOrError(a) || isDynOrError(b)) return true
  if (a.kind === 'null_type') return NULLABLE.has(b.kind)
  if (b.kind === 'null_type') return NULLABLE.has(a.kind)
  if (a.kind === 'type') return b.kind === 'type'
  if (a.kind !== b.kind || a.name !== b.name || a.params.length !== b.params.length) return false
  return a.params.every((param, i) => assignInto(mapping, param, b.params[i]!))
}

/** The type with its parameters replaced by what they stand for. */
export function substitute(mapping: Known, type: Type, paramsToDyn: boolean): Type {
  if (type.kind === 'param') {
    const found = mapping.get(type.name)
    if (found) return substitute(mapping, found, paramsToDyn)
    return paramsToDyn ? DYN : type
  }
  if (type.params.length === 0) return type
  const params = type.params.map((param) => substitute(mapping, param, paramsToDyn))
  return params.every((param, i) => param === type.params[i]) ? type : made(type.kind, type.name, params, type.declared)
}

/** Reads the notation of the overload tables: `map(string, list(A))`, where one capital letter is a type parameter. */
export function parseType(text: string): Type {
  const [type, rest] = readType(text.trim())
  if (rest) throw new Error(`not a type: ${text}`)
  return type
}

export function parseTypes(text: string): Type[] {
  const types: Type[] = []
  let rest = text.trim()
  while (rest) {
    const [type, after] = readType(rest)
    types.push(type)
    rest = after.replace(/^,\s*/, '')
  }
  return types
}

function readType(text: string): [Type, string] {
  const name = /^[\w.]+/.exec(text)?.[0]
  if (!name) throw new Error(`not a type: ${text}`)
  let rest = text.slice(name.length)
  const params: Type[] = []
  if (rest.startsWith('(')) {
    rest = rest.slice(1)
    while (!rest.startsWith(')')) {
      const [param, after] = readType(rest)
      params.push(param)
      rest = after.replace(/^,\s*/, '')
    }
    rest = rest.slice(1)
  }
  return [named(name, params), rest]
}

function named(name: string, params: Type[]): Type {
  if (/^[A-Z]$/.test(name)) return paramOf(name)
  if (name === 'list') return listOf(params[0] ?? DYN)
  if (name === 'map') return mapOf(params[0] ?? DYN, params[1] ?? DYN)
  if (name === 'type') return params[0] ? typeOf(params[0]) : TYPE
  if (name === 'optional') return optionalOf(params[0] ?? DYN)
  return SIMPLE.get(name as Kind) ?? opaque(name)
}
