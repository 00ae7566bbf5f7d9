/** What go-yaml takes a scalar for: YAML 1.1, without base 60 numbers, sets and timestamps. */
import { canonicalBase64 } from './base64.ts'

/** Whole numbers are bigints, all others floats. */
export type YamlScalar = string | boolean | bigint | number | null

/** The scalar's tag says something else than its text, or what is no text at all. */
export class YamlScalarError extends Error {
  override readonly name = 'YamlScalarError'
}

type Resolved = readonly [kind: Kind, value: YamlScalar]
type Kind = 'str' | 'bool' | 'int' | 'float' | 'null' | 'timestamp' | 'merge'

const WORDS: Readonly<Record<string, Resolved>> = Object.fromEntries(
  (
    [
      [['bool', true], 'y Y yes Yes YES true True TRUE on On ON'],
      [['bool', false], 'n N no No NO false False FALSE off Off OFF'],
      [['null', null], '~ null Null NULL'],
      [['float', Number.NaN], '.nan .NaN .NAN'],
      [['float', Number.POSITIVE_INFINITY], '.inf .Inf .INF +.inf +.Inf +.INF'],
      [['float', Number.NEGATIVE_INFINITY], '-.inf -.Inf -.INF'],
      [['merge', '<<'], '<<'],
    ] as const
  ).flatMap(([resolved, words]) => words.split(' ').map((word) => [word, resolved])),
)

const LONG_TAG = 'tag:yaml.org,2002:'
const RESOLVABLE = new Set(['str', 'bool', 'int', 'float', 'null', 'timestamp'].map((name) => LONG_TAG + name))

const WHOLE = /^([-+]?)(?:(0[xX])([0-9a-fA-F]+)|(0[bB])([01]+)|(0[oO]?)([0-7]+)|([1-9]\d*|0))$/
const FLOAT = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/
const DATE = /^\d{4}-\d{1,2}-\d{1,2}(?:[Tt ]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d{1,9})?(?:Z|[-+]\d\d:\d\d)?)?$/
const INT64_MIN = -(2n ** 63n)
const UINT64_MAX = 2n ** 64n - 1n

function wholeOf(text: string): bigint | undefined {
  const [, sign, hex, hexDigits, binary, bits, octal, octalDigits, decimal] = WHOLE.exec(text) ?? []
  const digits = hex ? `0x${hexDigits}` : binary ? `0b${bits}` : octal ? `0o${octalDigits}` : decimal
  if (digits === undefined) return undefined
  const value = sign === '-' ? -BigInt(digits) : BigInt(digits)
  return value < INT64_MIN || value > UINT64_MAX ? undefined : value
}

function floatOf(text: string): number | undefined {
  const value = FLOAT.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(value) ? value : undefined
}

function plain(text: string, tag: string | undefined): Resolved {
  if (text === '') return ['null', null]
  const word = Object.hasOwn(WORDS, text) ? WORDS[text] : undefined
  if (word) return word
  if (text.startsWith('.')) return numberOr(text, floatOf(text))
  if (!/^[-+\d]/.test(text)) return ['str', text]
  if ((tag === undefined || tag === `${LONG_TAG}timestamp`) && DATE.test(text)) return ['timestamp', text]
  const digits = text.replaceAll('_', '')
  const whole = wholeOf(digits)
  return whole === undefined ? numberOr(text, floatOf(digits)) : ['int', whole]
}

const numberOr = (text: string, float: number | undefined): Resolved => (float === undefined ? ['str', text] : ['float', float])

/** `tag` is the whole one, and undefined of a plain scalar without any. Throws YamlScalarError. */
export function resolveScalar(text: string, tag: string | undefined): YamlScalar {
  if (tag === `${LONG_TAG}binary`) return binary(text)
  if (tag === `${LONG_TAG}str` || (tag !== undefined && !RESOLVABLE.has(tag))) return text
  const [kind, value] = plain(text, tag)
  if (tag === undefined || tag === LONG_TAG + kind) return value
  if (tag === `${LONG_TAG}float` && kind === 'int') return Number(value)
  throw new YamlScalarError(`cannot decode !!${kind} \`${text}\` as a !!${tag.slice(LONG_TAG.length)}`)
}

function binary(text: string): string {
  try {
    return Buffer.from(canonicalBase64(text), 'base64').toString()
  } catch (cause) {
    throw new YamlScalarError('!!binary value contains invalid base64 data', { cause })
  }
}
