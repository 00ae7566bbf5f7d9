/**
 * YAML bodies. The API server turns YAML into JSON (YAML 1.1 scalars, sorted keys, the first document only) and decodes that;
 * a key that is there twice is a strict error only. Message texts are go-yaml's.
 */
import { Composer, CST, type Document, isScalar, Lexer, LineCounter, type ParsedNode, Parser, type ScalarTag, type Tags, visit } from 'yaml'
import type { TypeDef } from '../catalog/schema.ts'
import type { JsonObject, JsonValue } from '../resource.ts'
import { type Decoded, decodeValue, jsonValue, type ParsedJson, parseJson } from './json.ts'
import { asJsonValue, numberOf } from './longIntegers.ts'
import { JsonSyntaxError, MAX_JSON_DEPTH, setMember } from './jsonTree.ts'
import { goMessage, goReferenceMessage } from './yamlMessages.ts'

export class YamlSyntaxError extends Error {
  override readonly name = 'YamlSyntaxError'
}

/** How often aliases may be expanded in one document; more is a bomb. */
const MAX_ALIASES = 1_000

/** A lone dot is no number. */
function strictFloats(tags: Tags): Tags {
  return tags.map((tag) =>
    typeof tag !== 'string' && tag.tag.endsWith(':float') && 'test' in tag && tag.test?.test('.') ? { ...tag, test: FLOAT } : tag,
  ) as Tags
}
const FLOAT = /^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)$/

/** YAML 1.2's octal numbers, the one thing of it that go-yaml reads. */
const NEW_OCTAL: ScalarTag = {
  identify: () => false,
  default: true,
  tag: 'tag:yaml.org,2002:int',
  test: /^[-+]?0o[0-7_]+$/,
  resolve(text) {
    const digits = BigInt(text.replaceAll('_', '').replace(/^[-+]/, ''))
    return text.startsWith('-') ? -digits : digits
  },
}

/** go-yaml leaves timestamps, base 60 numbers, sets and ordered maps alone. */
const customTags = (tags: Tags): Tags => [
  NEW_OCTAL,
  ...strictFloats(tags).filter(
    (tag) => typeof tag === 'string' || !(/(timestamp|set|omap|pairs|binary)$/.test(tag.tag) || ('format' in tag && tag.format === 'TIME')),
  ),
]

const PARSE_OPTIONS = {
  intAsBigInt: true,
  version: '1.1',
  schema: 'yaml-1.1',
  customTags,
  merge: true,
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
} as const

/** `line 5: key "data" already set in map` for each key that its map has already. */
function doubleKeys(document: Document.Parsed, lines: LineCounter): string[] {
  const found: string[] = []
  visit(document, {
    Map(_, map) {
      const seen = new Set<unknown>()
      for (const { key } of map.items) {
        if (!isScalar(key)) continue
        if (seen.has(key.value))
          found.push(`line ${lines.linePos(key.range?.[0] ?? 0).line}: key ${JSON.stringify(key.value)} already set in map`)
        seen.add(key.value)
      }
    },
  })
  return found
}

function toJson(value: unknown, depth = 0): JsonValue {
  if (depth > MAX_JSON_DEPTH) throw new YamlSyntaxError('yaml: exceeded max depth')
  if (typeof value === 'bigint') return asJsonValue(numberOf(String(value)))
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new YamlSyntaxError(`json: unsupported value: ${Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'}`)
  if (typeof value !== 'object' || value === null) return (value ?? null) as JsonValue
  if (Array.isArray(value)) return value.map((item) => toJson(item, depth + 1))
  const out: JsonObject = {}
  const entries: [string, unknown][] =
    value instanceof Map ? [...value].map(([key, member]) => [keyText(key, member), member]) : Object.entries(value)
  for (const [key, member] of entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) setMember(out, key, toJson(member, depth + 1))
  return out
}

function keyText(key: unknown, value: unknown): string {
  if (key === null || key === undefined)
    throw new YamlSyntaxError(`unsupported map key of type: %!s(<nil>), key: <nil>, value: ${goSyntax(value)}`)
  if (typeof key === 'object') throw new YamlSyntaxError(`yaml: invalid map key: ${goSyntax(key)}`)
  return String(key)
}

/** Go's `%#v` of what go-yaml makes of a document. */
function goSyntax(value: unknown): string {
  if (value === null || value === undefined) return 'interface {}(nil)'
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`
  if (value instanceof Map) {
    const members = [...value].map(([key, member]) => `${goSyntax(key)}:${goSyntax(member)}`)
    return `map[interface {}]interface {}{${members.join(', ')}}`
  }
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

/** Most bodies that are sent as YAML are JSON, for which there is a parser that is many times as fast. */
function asJson(text: string): ParsedYaml | undefined {
  if (!text.startsWith('{')) return undefined
  let parsed: ParsedJson
  try {
    parsed = parseJson(text)
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined
    throw error
  }
  if (parsed.keys < 0) return undefined
  const { value, strictErrors } = jsonValue(parsed)
  return strictErrors.length === 0 ? { value: toJson(value), strictErrors } : undefined
}

/** go-yaml's limit; this parser takes time with the square of the depth. */
const MAX_YAML_DEPTH = 10_000
const OPENS = new Set(['flow-map-start', 'flow-seq-start'])
const CLOSES = new Set(['flow-map-end', 'flow-seq-end'])
/** Each opens a level, within one line. */
const INDICATORS = new Set(['seq-item-ind', 'explicit-key-ind', 'map-value-ind'])

/** What the composer is fed with; nesting is counted on the way, before the parser goes deeper than it can. */
function* tokensOf(text: string, lines: LineCounter): Generator<CST.Token> {
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  let depth = 0
  let inLine = 0
  for (const lexeme of new Lexer().lex(text)) {
    const type = CST.tokenType(lexeme) ?? ''
    if (OPENS.has(type)) depth++
    else if (CLOSES.has(type)) depth--
    else if (INDICATORS.has(type)) inLine++
    else if (type === 'newline') inLine = 0
    if (depth + inLine > MAX_YAML_DEPTH) throw new YamlSyntaxError(`yaml: exceeded max depth of ${MAX_YAML_DEPTH}`)
    yield* parser.next(lexeme)
  }
  yield* parser.end()
}

/** What follows the first document is not read. */
function firstDocument(text: string, lines: LineCounter): Document.Parsed | undefined {
  for (const document of new Composer<ParsedNode>(PARSE_OPTIONS).compose(tokensOf(text, lines))) return document
  return undefined
}

export interface ParsedYaml {
  value: JsonValue
  /** What only strict decoding minds. */
  strictErrors: string[]
}

/** Throws YamlSyntaxError (`yaml: line 1: did not find expected ',' or ']'`). */
export function parseYaml(body: Uint8Array | string): ParsedYaml {
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body)
  const json = asJson(text)
  if (json) return json
  const lineCounter = new LineCounter()
  const document = firstDocument(text, lineCounter)
  if (!document) return { value: null, strictErrors: [] }
  if (/^(?:#.*\n|\s*\n)*%YAML\s+(?!1\.1\s)/.test(text)) throw new YamlSyntaxError('yaml: found incompatible YAML document')
  const error = document.errors[0]
  if (error) throw new YamlSyntaxError(goMessage(error, text, lineCounter), { cause: error })
  const doubles = doubleKeys(document, lineCounter)
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES, mapAsMap: true })
  } catch (cause) {
    throw new YamlSyntaxError(goReferenceMessage(cause), { cause })
  }
  return {
    value: toJson(value),
    strictErrors: doubles.length ? [`yaml: unmarshal errors:\n${doubles.map((text) => `  ${text}`).join('\n')}`] : [],
  }
}

/** Throws YamlSyntaxError and DecodeError. */
export function decodeYaml(body: Uint8Array | string | ParsedYaml, def: TypeDef): Decoded {
  const parsed = typeof body === 'string' || body instanceof Uint8Array ? parseYaml(body) : body
  const { object, strictErrors } = decodeValue(parsed.value as JsonObject, def)
  return { object, strictErrors: [...parsed.strictErrors, ...strictErrors] }
}
