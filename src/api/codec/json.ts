/**
 * JSON bodies of the API: what `decodeJson` answers is what a Kubernetes API server has in hand after decoding, in the shape in
 * which it answers. The caller decides what becomes of unknown and double fields (fieldValidation).
 */
import type { TypeDef } from '../catalog/schema.ts'
import type { JsonObject, JsonValue } from '../resource.ts'
import { DecodeError, Decoder, ODD } from './decode.ts'
import { hasEmptyOnes } from './goShape.ts'
import type { EmptyOnes } from './goShape.ts'
import { scanJson } from './jsonScan.ts'
import { asJsonValue, numberOf } from './longIntegers.ts'
import { Entries, JsonSyntaxError, type JsonTree, NumberText, parseJsonTree, setMember, valueToTree } from './jsonTree.ts'

export { DecodeError, JsonSyntaxError }

export interface Decoded {
  object: JsonObject
  /** `unknown field "spec.foo"`, `duplicate field "spec.size"`: in document order, at most 100. */
  strictErrors: string[]
}

/** A body that is JSON; nothing is known of it yet. Answered by `parseJson`, taken by `decodeJson`, `typeMetaOf`, `jsonValue`. */
export interface ParsedJson {
  readonly text: string
  /** Of JSON.parse. */
  readonly value: unknown
  /** How many members all objects have; -1 where only the tree will do. */
  readonly keys: number
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** Throws JsonSyntaxError with Go's message. */
export function parseJson(body: Uint8Array | string): ParsedJson {
  const text = typeof body === 'string' ? body : utf8.decode(body)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    parseJsonTree(text)
    throw new JsonSyntaxError('invalid JSON', { cause: error })
  }
  const scan = scanJson(text)
  if (scan.tooDeep) throw new JsonSyntaxError('exceeded max depth')
  const odd = scan.oddNumbers || text.includes('__proto__') || /\\u(?:005[fF]|[dD][89a-fA-F])/.test(text)
  return { text, value, keys: odd ? -1 : scan.keys }
}

/** Throws JsonSyntaxError (where the body is bytes) and DecodeError. */
export function decodeJson(body: Uint8Array | string | ParsedJson, def: TypeDef): Decoded {
  const parsed = typeof body === 'string' || body instanceof Uint8Array ? parseJson(body) : body
  if (parsed.keys >= 0) {
    const decoder = new Decoder(false, 'all')
    const object = orOdd(() => decoder.decode(def, parsed.value))
    if (object && decoder.keys === parsed.keys) return { object, strictErrors: [] }
  }
  return decodeTree(parseJsonTree(parsed.text), def, 'all')
}

/** Decodes a value that is parsed already, such as the outcome of a patch. Throws DecodeError. */
export function decodeValue(value: JsonValue | object, def: TypeDef): Decoded {
  return decodeParsed(value, def, 'all')
}

function decodeParsed(value: JsonValue | object, def: TypeDef, emptyOnes: EmptyOnes): Decoded {
  const object = orOdd(() => new Decoder(false, emptyOnes).decode(def, value))
  return object ? { object, strictErrors: [] } : decodeTree(valueToTree(value), def, emptyOnes)
}

/** The object in the shape in which Go writes it once it was stored: to be called after defaulting or any other change. Unknown fields are dropped. */
export function normalize<T extends object>(object: T, def: TypeDef): T {
  return decodeParsed(object, def, 'none').object as T
}

/** The object without its empty optional lists and maps: Go writes none, though it tells them from none until then. */
export function withoutEmptyOnes<T extends object>(object: T, def: TypeDef): T {
  if (!hasEmptyOnes({ type: 'object', def }, object as JsonObject)) return object
  return decodeParsed(object, def, 'required').object as T
}

function decodeTree(tree: JsonTree, def: TypeDef, emptyOnes: EmptyOnes): Decoded {
  const decoder = new Decoder(true, emptyOnes)
  const object = decoder.decode(def, tree)
  return { object, strictErrors: decoder.strictErrors }
}

function orOdd<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error === ODD) return undefined
    throw error
  }
}

/** The value without any type, for custom resources: double fields are reported, of each the last counts. */
export function jsonValue(parsed: ParsedJson): { value: JsonValue; strictErrors: string[] } {
  if (parsed.keys >= 0 && countMembers(parsed.value) === parsed.keys) return { value: parsed.value as JsonValue, strictErrors: [] }
  const strictErrors: string[] = []
  const value = untyped(parseJsonTree(parsed.text), '', strictErrors)
  return { value, strictErrors }
}

/** Of a patch that is merged as text: a number that would be written otherwise than it came is kept as it came, which `odd` tells. */
export function patchValue(parsed: ParsedJson): { value: JsonValue; strictErrors: string[]; odd: boolean } {
  if (parsed.keys >= 0) return { ...jsonValue(parsed), odd: false }
  const strictErrors: string[] = []
  let odd = false
  const value = untyped(parseJsonTree(parsed.text), '', strictErrors, (number) => {
    const read = numberOf(number.text)
    if (String(read) === number.text) return asJsonValue(read)
    if (read === Infinity || read === -Infinity) return finite(number)
    odd = true
    return number as unknown as JsonValue
  })
  return { value, strictErrors, odd }
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const members = Object.values(value)
  return members.reduce<number>((sum, member) => sum + countMembers(member), Array.isArray(value) ? 0 : members.length)
}

/** Throws DecodeError for what no double can hold. */
function finite({ text }: NumberText): JsonValue {
  const value = numberOf(text)
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new DecodeError(`json: cannot unmarshal number ${text} into Go value of type float64`)
  }
  return asJsonValue(value)
}

function untyped(tree: JsonTree, path: string, strictErrors: string[], number = finite): JsonValue {
  if (tree instanceof NumberText) return number(tree)
  if (Array.isArray(tree)) return tree.map((item, i) => untyped(item, `${path}[${i}]`, strictErrors, number))
  if (!(tree instanceof Entries)) return tree
  const out: JsonObject = {}
  tree.keys.forEach((key, i) => {
    const at = path ? `${path}.${key}` : key
    if (Object.hasOwn(out, key)) strictErrors.push(`duplicate field ${JSON.stringify(at)}`)
    setMember(out, key, untyped(tree.values[i] as JsonTree, at, strictErrors, number))
  })
  return out
}

export interface TypeMeta {
  apiVersion: string
  kind: string
}

const FIND_KIND = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'

/** kind and apiVersion of a body, '' where they are missing. Throws DecodeError (`couldn't get version/kind; …`). */
export function typeMetaOf(parsed: ParsedJson): TypeMeta {
  const { value } = parsed
  if (value === null) return { apiVersion: '', kind: '' }
  const fail = (what: unknown, target: string): never => {
    const kind = Array.isArray(what) ? 'array' : typeof what === 'boolean' ? 'bool' : typeof what
    throw new DecodeError(`couldn't get version/kind; json parse error: json: cannot unmarshal ${kind} into Go ${target}`)
  }
  if (typeof value !== 'object' || Array.isArray(value)) return fail(value, `value of type ${FIND_KIND}`)
  const member = (name: 'apiVersion' | 'kind'): string => {
    const text = (value as JsonObject)[name] ?? ''
    return typeof text === 'string' ? text : fail(text, `struct field .${name} of type string`)
  }
  return { apiVersion: member('apiVersion'), kind: member('kind') }
}
