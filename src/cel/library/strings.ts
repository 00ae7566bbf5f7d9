/** Text: cel-go's string extensions (version 2), and the escaping of JSON patch keys. */
import { ArrayList, Fault, lengthOf } from '../values.ts'
import { formatText } from './textFormat.ts'
import { func, member } from '../overloads.ts'
import type { ListValue, Value } from '../values.ts'
import type { Overload } from '../overloads.ts'

const outOfRange = (index: bigint): Fault => new Fault(`index out of range: ${index}`)

function charAt(text: string, index: bigint): string {
  const characters = [...text]
  if (index < 0n || index > characters.length) throw outOfRange(index)
  return characters[Number(index)] ?? ''
}

/** Positions count code points. */
function indexOf(text: string, part: string, from: bigint = 0n): bigint {
  if (part === '') return from
  if (from < 0n) throw outOfRange(from)
  const characters = [...text]
  if (from >= characters.length) return -1n
  const start = characters.slice(0, Number(from)).join('').length
  const found = text.indexOf(part, start)
  return found < 0 ? -1n : BigInt(lengthOf(text.slice(0, found)))
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const length = BigInt(lengthOf(text))
  if (part === '') return from ?? length
  if (from !== undefined && from < 0n) throw outOfRange(from)
  if (from !== undefined && from >= length) return -1n
  const characters = [...text]
  const end = from === undefined ? Infinity : characters.slice(0, Number(from)).join('').length
  const found = text.lastIndexOf(part, end)
  return found < 0 ? -1n : BigInt(lengthOf(text.slice(0, found)))
}

const TEXT_LENGTH_LIMIT = 2 ** 24

function replace(text: string, old: string, by: string, limit: bigint = -1n): string {
  if (((text.length + 1) / Math.max(1, old.length)) * by.length > TEXT_LENGTH_LIMIT) throw new Fault('the text becomes too long')
  if (limit < 0n) return old === '' ? ['', ...text, ''].join(by).slice(0) : text.replaceAll(old, () => by)
  const pieces = splitUpTo(text, old, Number(limit) + (old === '' ? 0 : 1))
  if (old !== '' || limit === 0n) return limit === 0n ? text : pieces.join(by)
  const characters = [...text]
  const count = Math.min(Number(limit), characters.length + 1)
  return characters.map((character, i) => (i < count ? by + character : character)).join('') + (count > characters.length ? by : '')
}

function splitUpTo(text: string, separator: string, limit: number): string[] {
  const pieces = separator === '' ? [...text] : text.split(separator)
  if (limit < 0 || pieces.length <= limit) return pieces
  if (limit === 0) return []
  return [...pieces.slice(0, limit - 1), pieces.slice(limit - 1).join(separator)]
}

function substring(text: string, start: bigint, end?: bigint): string {
  const characters = [...text]
  if (end !== undefined && start > end) throw new Fault(`invalid substring range. start: ${start}, end: ${end}`)
  if (start < 0n || start > characters.length) throw outOfRange(start)
  if (end !== undefined && end > characters.length) throw outOfRange(end)
  return characters.slice(Number(start), end === undefined ? undefined : Number(end)).join('')
}

/** What Unicode calls white space, as Go does. */
const SPACE = String.raw`[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`
const TRIMMED = new RegExp(`^${SPACE}+|(?<!${SPACE})${SPACE}+$`, 'g')

const QUOTED: Readonly<Record<string, string>> = {
  '\u0007': String.raw`\a`,
  '\b': String.raw`\b`,
  '\f': String.raw`\f`,
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\t': String.raw`\t`,
  '\v': String.raw`\v`,
  '\\': String.raw`\\`,
  '"': String.raw`\"`,
}

const quote = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  `"${text.toWellFormed().replace(/[\u0007\b\f\n\r\t\v\\"]/g, (character) => QUOTED[character]!)}"`

function join(list: ListValue, separator = ''): string {
  const parts: string[] = []
  for (const part of list) {
    if (typeof part !== 'string') throw new Fault(`join: invalid input: ${String(part)}`)
    parts.push(part)
  }
  if (parts.length * separator.length > TEXT_LENGTH_LIMIT) throw new Fault('the text becomes too long')
  return parts.join(separator)
}

const listOf = (items: Value[]): Value => new ArrayList(items)

export const STRINGS: readonly Overload[] = [
  member('string_char_at_int', 'charAt', 'string, int', 'string', charAt),
  member('string_index_of_string', 'indexOf', 'string, string', 'int', (text: string, part: string) => indexOf(text, part)),
  member('string_index_of_string_int', 'indexOf', 'string, string, int', 'int', indexOf),
  member('string_last_index_of_string', 'lastIndexOf', 'string, string', 'int', (text: string, part: string) => lastIndexOf(text, part)),
  member('string_last_index_of_string_int', 'lastIndexOf', 'string, string, int', 'int', lastIndexOf),
  member('string_lower_ascii', 'lowerAscii', 'string', 'string', (text: string) => text.replace(/[A-Z]+/g, (part) => part.toLowerCase())),
  member('string_upper_ascii', 'upperAscii', 'string', 'string', (text: string) => text.replace(/[a-z]+/g, (part) => part.toUpperCase())),
  member('string_replace_string_string', 'replace', 'string, string, string', 'string', (text: string, old: string, by: string) =>
    replace(text, old, by),
  ),
  member('string_replace_string_string_int', 'replace', 'string, string, string, int', 'string', replace),
  member('string_split_string', 'split', 'string, string', 'list(string)', (text: string, by: string) => listOf(splitUpTo(text, by, -1))),
  member('string_split_string_int', 'split', 'string, string, int', 'list(string)', (text: string, by: string, limit: bigint) =>
    listOf(splitUpTo(text, by, Number(limit))),
  ),
  member('string_substring_int', 'substring', 'string, int', 'string', (text: string, start: bigint) => substring(text, start)),
  member('string_substring_int_int', 'substring', 'string, int, int', 'string', substring),
  member('string_trim', 'trim', 'string', 'string', (text: string) => text.replace(TRIMMED, '')),
  member('string_format', 'format', 'string, list(dyn)', 'string', formatText),
  func('strings_quote', 'strings.quote', 'string', 'string', quote),
  member('list_join', 'join', 'list(string)', 'string', (list: ListValue) => join(list)),
  member('list_join_string', 'join', 'list(string), string', 'string', join),
]

/** Of mutating policies alone. */
export const PATCHES: readonly Overload[] = [
  func('string_jsonpatch_escapeKey_string', 'jsonpatch.escapeKey', 'string', 'string', (key: string) =>
    key.replaceAll('~', '~0').replaceAll('/', '~1'),
  ),
]
