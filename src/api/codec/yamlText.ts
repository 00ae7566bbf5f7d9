/**
 * Values as YAML text, in the very form in which the API server writes it (go-yaml 2, which is libyaml's emitter): keys in
 * their natural order, lists at the level of their key, long lines folded, and quotes only where the text asks for them.
 */
import type { JsonValue } from '../resource.ts'

/** A line is folded at the first space behind this column. */
const BEST_WIDTH = 80
const INDENT = 2
const LONGEST_SIMPLE_KEY_BYTES = 128

const WORDS =
  /^(?:|~|null|Null|NULL|true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|[yYnN]|\.(?:nan|NaN|NAN)|[-+]?\.(?:inf|Inf|INF))$/
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/
const INTEGER = /^[-+]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+)$/
const BASE_60 = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/
const TIMESTAMP = /^\d{4}-\d{1,2}-\d{1,2}(?:[Tt]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)| \d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?)?$/

/** Whether a reader would take the bare text for something other than a string. */
function isAmbiguous(text: string): boolean {
  if (WORDS.test(text) || BASE_60.test(text)) return true
  if (!/^[-+.0-9]/.test(text)) return false
  const digits = text.startsWith('.') ? text : text.replaceAll('_', '')
  return FLOAT.test(digits) || INTEGER.test(digits) || (TIMESTAMP.test(text) && !Number.isNaN(Date.parse(text.slice(0, 10))))
}

type Style = 'plain' | 'single' | 'double' | 'literal'

const BREAK = /[\n\r\x85\u2028\u2029]/
// eslint-disable-next-line no-control-regex -- what cannot be printed has to be named
const UNPRINTABLE = /[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]/
const LEADING_INDICATOR = /^(?:[#,[\]{}&*!|>'"%@`]|[-?:](?:\s|$)|---|\.\.\.)/
const INNER_INDICATOR = /:(?:\s|$)|[\s]#/

/** Of a scalar in block context. */
function styleOf(text: string, isKey: boolean): Style {
  const spaceBeforeBreak = / [\n\r\x85\u2028\u2029]/.test(text)
  const isSpecial = spaceBeforeBreak || UNPRINTABLE.test(text)
  if (text.includes('\n')) return isKey || isSpecial || text.endsWith(' ') ? 'double' : 'literal'
  if (isAmbiguous(text) || isSpecial || BREAK.test(text)) return 'double'
  const bare = !/^ | $/.test(text) && !LEADING_INDICATOR.test(text) && !INNER_INDICATOR.test(text)
  return bare ? 'plain' : 'single'
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\0': '\\0',
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\x85': '\\N',
  '\u2028': '\\L',
  '\u2029': '\\P',
}

/** Undefined for a character that stands for itself. */
function escaped(char: string): string | undefined {
  const known = ESCAPES[char]
  if (known) return known
  const code = char.codePointAt(0) as number
  if (code < 0x1_00_00 && !UNPRINTABLE.test(char)) return undefined
  const digits = code.toString(16).toUpperCase()
  if (code <= 0xff) return `\\x${digits.padStart(2, '0')}`
  return code <= 0xff_ff ? `\\u${digits.padStart(4, '0')}` : `\\U${digits.padStart(8, '0')}`
}

const isDigit = (char: string | undefined): boolean => char !== undefined && char >= '0' && char <= '9'
const isLetter = (char: string): boolean => /\p{L}/u.test(char)

/** go-yaml's order of keys: runs of digits count as numbers, other characters come before letters. */
export function compareKeys(a: string, b: string): number {
  const [x, y] = [[...a], [...b]]
  for (let i = 0; i < x.length && i < y.length; i++) {
    const [left, right] = [x[i] as string, y[i] as string]
    if (left === right) continue
    if (isLetter(left) || isLetter(right)) {
      if (isLetter(left) && isLetter(right)) return left < right ? -1 : 1
      return isLetter(right) ? -1 : 1
    }
    const [first, second] = [numberAt(x, i), numberAt(y, i)]
    if (first.value !== second.value) return first.value < second.value ? -1 : 1
    if (first.end !== second.end) return first.end - second.end
    return left < right ? -1 : 1
  }
  return x.length - y.length
}

function numberAt(chars: readonly string[], from: number): { value: number; end: number } {
  let end = from
  while (isDigit(chars[end])) end++
  // Zeros within a number count as digits of it.
  let prefix = ''
  for (let at = from - 1; at >= 0 && isDigit(chars[at]); at--) if (chars[at] !== '0') prefix = '1'
  return { value: Number(prefix + chars.slice(from, end).join('') || '0'), end }
}

class YamlText {
  #out = ''
  #column = 0
  /** The last thing written was white space; since the line began there was nothing but indicators. */
  #isSpaced = true
  #isIndention = true

  get text(): string {
    return `${this.#out}\n`
  }

  node(value: JsonValue | undefined | object, indent: number, inMapping: boolean): void {
    if (Array.isArray(value)) {
      if (value.length === 0) return this.#write('[]')
      const level = inMapping ? Math.max(indent, 0) : this.#deeper(indent)
      for (const item of value) {
        this.#indent(level)
        this.#indicate('-')
        this.node(item as JsonValue, level, false)
      }
    } else if (typeof value === 'object' && value !== null) this.#mapping(value as Record<string, JsonValue>, this.#deeper(indent))
    else if (typeof value === 'string') this.#scalar(value, this.#deeper(indent), false)
    else this.#write(String(value ?? null))
  }

  #deeper(indent: number): number {
    return indent < 0 ? 0 : indent + INDENT
  }

  #mapping(value: Readonly<Record<string, JsonValue | undefined>>, indent: number): void {
    const keys = Object.keys(value).filter((key) => value[key] !== undefined)
    if (keys.length === 0) return this.#write('{}')
    for (const key of keys.toSorted(compareKeys)) {
      this.#indent(indent)
      const isSimple = !key.includes('\n') && Buffer.byteLength(key) <= LONGEST_SIMPLE_KEY_BYTES
      if (!isSimple) this.#indicate('?')
      this.#scalar(key, indent + INDENT, isSimple)
      if (isSimple) this.#put(':')
      else {
        this.#indent(indent)
        this.#indicate(':')
      }
      this.node(value[key], indent, true)
    }
  }

  #put(text: string): void {
    this.#out += text
    this.#column += text.length
    this.#isSpaced = false
    this.#isIndention = false
  }

  /** Set off from what stands before it. */
  #write(text: string): void {
    this.#put(this.#isSpaced ? text : ` ${text}`)
  }

  /** `-`, `?` and `:` at the beginning of a line leave it a beginning. */
  #indicate(char: string): void {
    const isIndention = this.#isIndention
    this.#write(char)
    this.#isIndention = isIndention
  }

  #indent(indent: number): void {
    if (!this.#isIndention || this.#column > indent || (this.#column === indent && !this.#isSpaced)) this.#break()
    if (this.#column < indent) {
      this.#out += ' '.repeat(indent - this.#column)
      this.#column = indent
    }
    this.#isSpaced = true
    this.#isIndention = true
  }

  #break(): void {
    this.#out += '\n'
    this.#column = 0
  }

  #scalar(text: string, indent: number, isKey: boolean): void {
    const style = styleOf(text, isKey)
    if (style === 'literal') return this.#literal(text, indent)
    const quote = style === 'plain' ? '' : style === 'single' ? "'" : '"'
    if (quote) this.#write(quote)
    else if (!this.#isSpaced) this.#put(' ')
    const chars = [...text]
    let wasSpace = false
    for (const [at, char] of chars.entries()) {
      const isInner = style === 'plain' || (at > 0 && at < chars.length - 1)
      const canFold = char === ' ' && !isKey && !wasSpace && isInner && this.#column > BEST_WIDTH
      wasSpace = char === ' '
      if (canFold && (style === 'double' || chars[at + 1] !== ' ')) {
        this.#indent(indent)
        if (chars[at + 1] === ' ') this.#put('\\')
      } else if (style === 'double') this.#put(escaped(char) ?? char)
      else this.#put(style === 'single' && char === "'" ? "''" : char)
    }
    this.#put(quote)
  }

  #literal(text: string, indent: number): void {
    const hint = /^[ \n]/.test(text) ? String(INDENT) : ''
    const chomp = !text.endsWith('\n') ? '-' : text === '\n' || text.endsWith('\n\n') ? '+' : ''
    this.#write(`|${hint}${chomp}`)
    const lines = text.split('\n')
    if (lines.at(-1) === '') lines.pop()
    for (const line of lines) {
      this.#break()
      if (line === '') continue
      this.#out += ' '.repeat(indent) + line
      this.#column = indent + line.length
    }
    this.#isSpaced = false
    this.#isIndention = false
  }
}

export function encodeYaml(value: JsonValue | object): string {
  const writer = new YamlText()
  writer.node(value, -1, false)
  return writer.text
}
