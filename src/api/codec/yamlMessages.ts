/** What go-yaml says of a text that is no YAML, of which this parser says something else. */
import type { LineCounter, YAMLError } from 'yaml'

/** go-yaml's scanner numbers lines from one and leaves the first one out, its parser numbers them from zero. */
type Finder = 'scanner' | 'parser'

const NESTED = 'mapping values are not allowed in this context'
const NO_COLON = "could not find expected ':'"
const NO_KEY = 'did not find expected key'
const NO_ITEM = "did not find expected '-' indicator"
const NODE_CONTENT = 'did not find expected node content'
/** The first that matches. */
const MESSAGES: readonly [RegExp, string, Finder][] = [
  [/start with flow indicator|Unexpected ,/i, NODE_CONTENT, 'parser'],
  [/block-seq-ind on same line/i, 'block sequence entries are not allowed in this context', 'scanner'],
  [/Flow sequence in block collection|expected flow sequence to end|Flow sequence/i, "did not find expected ',' or ']'", 'parser'],
  [/expected flow map to end|Flow map/i, "did not find expected ',' or '}'", 'parser'],
  [/Nested mappings are not allowed|compact mappings|not allowed in this context/i, NESTED, 'scanner'],
  [/Tabs are not allowed|tab/i, 'found a tab character that violates indentation', 'scanner'],
  [/Implicit keys need to be on a single line|Implicit map keys need to be followed by map values|implicit key/i, NO_COLON, 'scanner'],
  [/Missing closing|quote/i, 'found unexpected end of stream', 'scanner'],
  [/Plain value cannot start|reserved character/i, 'found character that cannot start any token', 'scanner'],
  [/alias cannot be an empty|anchor cannot be an empty/i, 'did not find expected alphabetic or numeric character', 'scanner'],
  [/Block scalar header includes extra/i, 'did not find expected comment or line break', 'scanner'],
  [/Invalid escape sequence \\[xuU]/, 'did not find expected hexdecimal number', 'scanner'],
  [/Invalid escape/i, 'found unknown escape character', 'scanner'],
  [/Unexpected scalar at node end/i, NO_ITEM, 'parser'],
  [/indent|items must start at the same column|block sequence may not be used as an implicit map key/i, NO_KEY, 'parser'],
]

function messageOf({ message }: YAMLError, at: string | undefined): (typeof MESSAGES)[number] {
  const known = MESSAGES.find(([pattern]) => pattern.test(message))
  if (!known) return [/^/, NODE_CONTENT, 'parser']
  // A list where a key was to come.
  return known[1] === NO_COLON && at === '-' ? [known[0], NO_KEY, 'parser'] : known
}

export function goMessage(error: YAMLError, text: string, lines: LineCounter): string {
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(Math.max(0, offset)).line)
  const [start] = error.pos
  const [, found, finder] = messageOf(error, text[start])
  if (finder === 'scanner') {
    // The colon is where it finds out.
    const line = lineAt(found === NESTED ? start + text.slice(start).search(/:(?:\s|$)/) : start)
    // A tab that goes on with no text is no indentation.
    const odd = found.startsWith('found a tab') && (line === 1 || /[:\-?,[{\]}"']$/.test(text.slice(0, start).trimEnd()))
    const message = odd ? 'found character that cannot start any token' : found
    return line > 1 ? `yaml: line ${line}: ${message}` : `yaml: ${message}`
  }
  const written = text.trimEnd()
  const atEnd = start >= written.length
  const inFlow = found.includes("',' or")
  const message = inFlow && atEnd && /[[{,:]$/.test(written) ? NODE_CONTENT : found
  const opened = inFlow && message === found ? lineAt(Math.max(text.lastIndexOf('[', start - 1), text.lastIndexOf('{', start - 1))) - 1 : 0
  const line = opened || (atEnd ? lineAt(written.length - 1) : lineAt(start) - 1)
  return line > 0 ? `yaml: line ${line}: ${message}` : `yaml: ${message}`
}
