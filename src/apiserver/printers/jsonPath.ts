/**
 * The JSONPath of printer columns and selectable fields, as k8s.io/client-go/util/jsonpath parses it: `.spec.replicas`,
 * `.items[0:4:2].name`, `.items[0,2]`, `.conditions[?(@.type=="Ready")].status`, `['quoted']`, `[*]`, `..anywhere`, escaped dots.
 * Parsed once per column; jsonPathSearch.ts follows it.
 */

export type Step =
  | { type: 'field'; name: string }
  /** `single` is one index. Negative ones count from the end. */
  | { type: 'slice'; from: number | undefined; to: number | undefined; step: number | undefined; single: boolean }
  | { type: 'union'; paths: JsonPath[] }
  | { type: 'filter'; left: JsonPath; operator: string; right: JsonPath }
  | { type: 'literal'; value: string | number | boolean }
  /** A word where none belongs, such as a first field without its dot: known for what it is, and never found. */
  | { type: 'identifier' }
  | { type: 'children' }
  | { type: 'descendants' }

export type JsonPath = readonly Step[]

class PathError extends Error {}

const FIELD = /(?:\\[^]|[^\\ \t\r\n.,[\]$@{}])*/y
const NUMBER = /[+-]?[\d.]*/y
const WORD = /[^ \t\r\n.,[\]$@{}]+/y
const SLICE = /^(-?\d*)(:-?\d*)?(:-?\d*)?$/
const QUOTED_KEY = /^'([^']*)'$/
const COMPARISON = /^([^!<>=]+)([!<>=]+)(.+)$/

class Reader {
  readonly #text: string
  #at = 0
  readonly #steps: Step[] = []

  constructor(text: string) {
    this.#text = text
  }

  read(): Step[] {
    while (this.#at < this.#text.length) this.#next()
    return this.#steps
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const [found = ''] = pattern.exec(this.#text) ?? []
    this.#at += found.length
    return found
  }

  #next(): void {
    const rest = this.#text.slice(this.#at, this.#at + 3)
    const char = rest[0] as string
    if (rest === '[?(') this.#filter()
    else if (rest.startsWith('..')) this.#descendants()
    else if (' @$'.includes(char)) this.#at++
    else if (char === '[') this.#subscript()
    else if (char === '"' || char === "'") this.#quoted(char)
    else if (char === '.') {
      this.#at++
      this.#field()
    } else if (/[+\-\d]/.test(char)) this.#number()
    else if (/[_\p{L}]/u.test(char)) this.#word()
    else throw new PathError(`unrecognized character ${char}`)
  }

  #field(): void {
    const name = this.#match(FIELD)
    this.#steps.push(name === '*' ? { type: 'children' } : { type: 'field', name: name.replaceAll('\\', '') })
  }

  #descendants(): void {
    if (this.#steps.at(-1)?.type === 'descendants') throw new PathError('multiple recursive descent')
    this.#at += 2
    this.#steps.push({ type: 'descendants' })
    if (/^[_\p{L}\p{N}]/u.test(this.#text.slice(this.#at))) this.#field()
  }

  #number(): void {
    const text = this.#match(NUMBER)
    const value = Number(text)
    if (Number.isNaN(value) || !/\d/.test(text)) throw new PathError(`no number ${text}`)
    this.#steps.push({ type: 'literal', value })
  }

  #word(): void {
    const word = this.#match(WORD)
    const isBoolean = word === 'true' || word === 'false'
    this.#steps.push(isBoolean ? { type: 'literal', value: word === 'true' } : { type: 'identifier' })
  }

  #quoted(quote: string): void {
    let end = this.#text.indexOf(quote, this.#at + 1)
    while (this.#text[end - 1] === '\\') end = this.#text.indexOf(quote, end + 1)
    if (end < 0) throw new PathError('unterminated quoted string')
    const value = this.#text.slice(this.#at + 1, end).replace(/\\(.)/g, '$1')
    this.#at = end + 1
    this.#steps.push({ type: 'literal', value })
  }

  #subscript(): void {
    const end = this.#text.indexOf(']', this.#at)
    if (end < 0) throw new PathError('unterminated array')
    const inside = this.#text.slice(this.#at + 1, end)
    this.#at = end + 1
    const parts = inside.split(',')
    if (parts.length > 1) {
      this.#steps.push({ type: 'union', paths: parts.map((part) => new Reader(`[${part.replace(/^ +| +$/g, '')}]`).read()) })
      return
    }
    // What stands in quotes is read as if it stood behind a dot: its own dots divide it, unless they are escaped.
    const key = QUOTED_KEY.exec(inside)?.[1]
    this.#steps.push(...(key === undefined ? [sliceOf(inside)] : new Reader(`.${key}`).read()))
  }

  #filter(): void {
    const from = this.#at + 3
    let quote = ''
    let quoteEnded = false
    for (this.#at = from; ; this.#at++) {
      const char = this.#text[this.#at]
      if (char === undefined) throw new PathError('unterminated filter')
      if (char === ')' && (quote !== '') === quoteEnded) break
      if (char !== '"' && char !== "'") continue
      if (quote === '') quote = char
      else if (char === quote && this.#text[this.#at - 1] !== '\\') quoteEnded = true
    }
    const inside = this.#text.slice(from, this.#at)
    if (this.#text[this.#at + 1] !== ']') throw new PathError('unclosed array')
    this.#at += 2
    const [, left, operator, right] = COMPARISON.exec(inside) ?? []
    const path = (text: string | undefined): Step[] => (text === undefined ? [] : new Reader(text).read())
    this.#steps.push({ type: 'filter', left: path(left ?? inside), operator: operator ?? 'exists', right: path(right) })
  }
}

function sliceOf(inside: string): Step {
  const parts = SLICE.exec(inside === '*' ? ':' : inside)
  if (!parts) throw new PathError(`invalid array index ${inside}`)
  const [from, to, step] = [parts[1] || undefined, parts[2]?.slice(1) || undefined, parts[3]?.slice(1) || undefined].map((text) => {
    if (text === '-') throw new PathError(`array index ${text} is not a number`)
    return text === undefined ? undefined : Number(text)
  })
  return { type: 'slice', from, to, step, single: parts[2] === undefined }
}

/** Undefined where the path has something else in it. */
export function parseJsonPath(text: string): JsonPath | undefined {
  try {
    return new Reader(text).read()
  } catch (error) {
    if (error instanceof PathError) return undefined
    throw error
  }
}
