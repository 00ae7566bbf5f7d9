/** What Go's JSON parser says of a text that is none. */
import { quote } from '../quote.ts'

/** As Go's parser shows a byte. */
function quoteChar(char: string): string {
  if (char === "'") return String.raw`'\''`
  return char === '"' ? `'"'` : `'${quote(char).slice(1, -1)}'`
}

/** Where Go's parser gives up; undefined for what is JSON. */
export function goJsonError(bytes: Buffer): string | undefined {
  try {
    JSON.parse(bytes.toString('utf8'))
    return undefined
  } catch {
    return whyNot(bytes.toString('latin1'))
  }
}

/** `text` has one character for each byte. */
function whyNot(text: string): string {
  if (text.trim() === '') return 'unexpected end of JSON input'
  for (const literal of ['null', 'true', 'false']) {
    if (text[0] !== literal[0]) continue
    for (let i = 1; i < literal.length; i++) {
      if (text[i] !== literal[i])
        return text[i] === undefined
          ? 'unexpected end of JSON input'
          : `invalid character ${quoteChar(text[i] ?? '')} in literal ${literal} (expecting '${literal[i]}')`
    }
  }
  return `invalid character ${quoteChar(text.replace(/^[ \t\r\n]+/, '')[0] ?? '')} looking for beginning of value`
}
