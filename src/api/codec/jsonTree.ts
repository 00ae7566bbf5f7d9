/**
 * A JSON parser that keeps what JSON.parse throws away and Go's decoder looks at: double keys, their order, and the text of
 * numbers. Its errors are Go's. It is the slow path: bodies without anything odd never come here.
 */

import { numberOf, rawJson } from './longIntegers.ts'

export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
}

/** Deeper documents are refused: upstream stops at 10,000, but everything that walks objects here is recursive. */
export const MAX_JSON_DEPTH = 1_000

/** An object with its members as written, doubles included. */
export class Entries {
  readonly keys: string[] = []
  readonly values: JsonTree[] = []
}

/** A number as written. */
export class NumberText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }

  toJSON(): unknown {
    return rawJson(this.text)
  }
}

export type JsonTree = string | boolean | null | NumberText | Entries | JsonTree[]

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const ESCAPES: Record<string, string> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/** A character in Go's error messages: `'b'`, `'\''`, `'\u0081'`. */
function quoteChar(char: string): string {
  if (char === "'") return `'\\''`
  if (char === '"') return `'"'`
  const code = char.codePointAt(0) as number
  if (code < 0x20 || code === 0x7f || char === '\\') return `'${JSON.stringify(char).slice(1, -1).replace('\\u00', '\\x')}'`
  // Go looks at bytes.
  return `'${code > 0x7f ? String.fromCharCode(Buffer.from(char)[0] as number) : char}'`
}

class Parser {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): JsonTree {
    const value = this.#value()
    this.#space()
    if (this.#at < this.#text.length) throw this.#unexpected('after top-level value')
    return value
  }

  #space(): void {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? 'x')) this.#at++
  }

  #unexpected(context: string): JsonSyntaxError {
    const char = this.#text[this.#at]
    if (char === undefined) return new JsonSyntaxError('unexpected end of JSON input')
    return new JsonSyntaxError(`invalid character ${quoteChar(char)} ${context}`)
  }

  #value(): JsonTree {
    this.#space()
    const char = this.#text[this.#at]
    switch (char) {
      case '{':
        return this.#object()
      case '[':
        return this.#array()
      case '"':
        return this.#string()
      case 't':
        return this.#literal('true', true)
      case 'f':
        return this.#literal('false', false)
      case 'n':
        return this.#literal('null', null)
      default:
        if (char === '-' || (char !== undefined && char >= '0' && char <= '9')) return this.#number()
        throw this.#unexpected('looking for beginning of value')
    }
  }

  #literal<T extends boolean | null>(word: string, value: T): T {
    for (const expected of word) {
      if (this.#text[this.#at] !== expected) throw this.#unexpected(`in literal ${word} (expecting ${quoteChar(expected)})`)
      this.#at++
    }
    return value
  }

  #number(): NumberText {
    NUMBER.lastIndex = this.#at
    const found = NUMBER.exec(this.#text)?.[0]
    if (found === undefined) {
      this.#at++
      throw this.#unexpected('in numeric literal')
    }
    this.#at += found.length
    const next = this.#text[this.#at]
    if (next === '.') {
      this.#at++
      throw this.#unexpected('after decimal point in numeric literal')
    }
    if (next === 'e' || next === 'E') {
      this.#at += /^[eE][+-]/.test(this.#text.slice(this.#at, this.#at + 2)) ? 2 : 1
      throw this.#unexpected('in exponent of numeric literal')
    }
    return new NumberText(found)
  }

  #string(): string {
    const start = ++this.#at
    let out = ''
    let from = start
    for (;;) {
      const char = this.#text[this.#at]
      if (char === '"') break
      if (char === undefined || char < ' ') throw this.#unexpected('in string literal')
      this.#at++
      if (char !== '\\') continue
      out += this.#text.slice(from, this.#at - 1) + this.#escape()
      from = this.#at
    }
    out += this.#text.slice(from, this.#at++)
    return out.toWellFormed()
  }

  #escape(): string {
    const char = this.#text[this.#at]
    if (char === 'u') {
      this.#at++
      for (let i = 0; i < 4; i++, this.#at++)
        if (!/[0-9a-fA-F]/.test(this.#text[this.#at] ?? '')) throw this.#unexpected('in \\u hexadecimal character escape')
      return String.fromCharCode(Number.parseInt(this.#text.slice(this.#at - 4, this.#at), 16))
    }
    const plain = ESCAPES[char ?? '']
    if (plain === undefined) throw this.#unexpected('in string escape code')
    this.#at++
    return plain
  }

  #enter(): void {
    if (++this.#depth > MAX_JSON_DEPTH) throw new JsonSyntaxError('exceeded max depth')
    this.#at++
    this.#space()
  }

  #object(): Entries {
    const entries = new Entries()
    this.#enter()
    if (this.#text[this.#at] !== '}') {
      for (;;) {
        this.#space()
        if (this.#text[this.#at] !== '"') throw this.#unexpected('looking for beginning of object key string')
        entries.keys.push(this.#string())
        this.#space()
        if (this.#text[this.#at] !== ':') throw this.#unexpected('after object key')
        this.#at++
        entries.values.push(this.#value())
        this.#space()
        if (this.#text[this.#at] === '}') break
        if (this.#text[this.#at] !== ',') throw this.#unexpected('after object key:value pair')
        this.#at++
      }
    }
    this.#at++
    this.#depth--
    return entries
  }

  #array(): JsonTree[] {
    const items: JsonTree[] = []
    this.#enter()
    if (this.#text[this.#at] !== ']') {
      for (;;) {
        items.push(this.#value())
        this.#space()
        if (this.#text[this.#at] === ']') break
        if (this.#text[this.#at] !== ',') throw this.#unexpected('after array element')
        this.#at++
      }
    }
    this.#at++
    this.#depth--
    return items
  }
}

/** Throws JsonSyntaxError. */
export function parseJsonTree(text: string): JsonTree {
  return new Parser(text).document()
}

/** Sets a member, also one called `__proto__`. */
export function setMember(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  else object[key] = value
}

/** The value that JSON.parse would give; of double keys the last one counts. */
export function treeToValue(tree: JsonTree): unknown {
  if (tree instanceof NumberText) return numberOf(tree.text)
  if (Array.isArray(tree)) return tree.map(treeToValue)
  if (!(tree instanceof Entries)) return tree
  const out: Record<string, unknown> = {}
  tree.keys.forEach((key, i) => setMember(out, key, treeToValue(tree.values[i] as JsonTree)))
  return out
}

/** The tree of a value that came from elsewhere than text. */
export function valueToTree(value: unknown, depth = 0): JsonTree {
  if (depth > MAX_JSON_DEPTH) throw new JsonSyntaxError('exceeded max depth')
  if (typeof value === 'number' || typeof value === 'bigint') return new NumberText(String(value))
  if (Array.isArray(value)) return value.map((item) => valueToTree(item, depth + 1))
  if (typeof value !== 'object' || value === null) return (value ?? null) as JsonTree
  const entries = new Entries()
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key]
    if (member === undefined) continue
    entries.keys.push(key)
    entries.values.push(valueToTree(member, depth + 1))
  }
  return entries
}
