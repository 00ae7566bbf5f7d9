/**
 * YAML bodies. The API server turns YAML into JSON (YAML 1.1 scalars, sorted keys, the first document only) and decodes that;
 * a key that is there twice is a strict error only. Message texts are go-yaml's.
 */
import { Composer, CST, type Document, Lexer, LineCounter, type ParsedNode, Parser } from 'yaml'
import type { TypeDef } from '../catalog/schema.ts'
import type { JsonObject, JsonValue } from '../resource.ts'
import { type Decoded, decodeValue, jsonValue, type ParsedJson, parseJson } from './json.ts'
import { sortedKeys } from '../jsonValues.ts'
import { JsonSyntaxError } from './jsonTree.ts'
import { goMessage } from './yamlMessages.ts'
import { documentValue, YamlSyntaxError } from './yamlValue.ts'

export { YamlSyntaxError }

/** All scalars stay texts here. */
const PARSE_OPTIONS = {
  version: '1.1',
  schema: 'failsafe',
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
} as const

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
  // As from YAML: keys are sorted.
  return strictErrors.length === 0 ? { value: sortedKeys(value), strictErrors } : undefined
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
  const { value, doubles } = documentValue(document, lineCounter)
  return { value, strictErrors: doubles.length ? [DOUBLES + doubles.map((line) => `  ${line}`).join('\n')] : [] }
}

const DOUBLES = 'yaml: unmarshal errors:\n'

/** The strict errors as warnings: each double key has its own. */
export function warningsOf(strictErrors: readonly string[]): string[] {
  return strictErrors.flatMap((error) =>
    error.startsWith(DOUBLES)
      ? error
          .slice(DOUBLES.length)
          .split('\n')
          .map((line) => line.trim())
      : [error],
  )
}

/** Throws YamlSyntaxError and DecodeError. */
export function decodeYaml(body: Uint8Array | string | ParsedYaml, def: TypeDef): Decoded {
  const parsed = typeof body === 'string' || body instanceof Uint8Array ? parseYaml(body) : body
  const { object, strictErrors } = decodeValue(parsed.value as JsonObject, def)
  return { object, strictErrors: [...parsed.strictErrors, ...strictErrors] }
}
