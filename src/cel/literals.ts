/** What the literals of the language stand for. */
import { Uint } from './values.ts'

const INT_MIN = -(2n ** 63n)
const INT_MAX = 2n ** 63n - 1n
const UINT_MAX = 2n ** 64n - 1n

/** undefined where the number does not fit. */
export function parseInt64(text: string, isNegative: boolean): bigint | undefined {
  const value = isNegative ? -BigInt(text) : BigInt(text)
  return value < INT_MIN || value > INT_MAX ? undefined : value
}

export function parseUint64(text: string): Uint | undefined {
  const value = BigInt(text.slice(0, -1))
  return value > UINT_MAX ? undefined : new Uint(value)
}

const CHARACTERS: Readonly<Record<string, string>> = { a: '\u0007', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }
const ESCAPE = /\\(?:([abfnrtv])|([\\'"`?])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7][0-7]))/g

function bodyOf(token: string): { body: string; isRaw: boolean } {
  const normalized = token.replace(/\r\n?/g, '\n')
  const isRaw = /^[rR]/.test(normalized)
  const quoted = isRaw ? normalized.slice(1) : normalized
  const quotes = /^("""|''')/.test(quoted) && quoted.length >= 6 ? 3 : 1
  return { body: quoted.slice(quotes, -quotes), isRaw }
}

/** @throws RangeError with cel-go's words for what no character can be. */
export function unescapeString(token: string): string {
  const { body, isRaw } = bodyOf(token)
  if (isRaw) return body
  return body.replace(ESCAPE, (_, letter?: string, same?: string, x?: string, u?: string, U?: string, octal?: string) => {
    if (letter !== undefined) return CHARACTERS[letter]!
    if (same !== undefined) return same
    const code = octal === undefined ? Number.parseInt(x ?? u ?? U ?? '0', 16) : Number.parseInt(octal, 8)
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw new RangeError('invalid unicode code point')
    return String.fromCodePoint(code)
  })
}

export function unescapeBytes(token: string): Uint8Array {
  const { body, isRaw } = bodyOf(token.slice(1))
  if (isRaw) return Buffer.from(body)
  const parts: Buffer[] = []
  let end = 0
  for (const found of body.matchAll(ESCAPE)) {
    const [whole, letter, same, x, u, U, octal] = found
    if (u !== undefined || U !== undefined) throw new RangeError('unable to unescape string')
    parts.push(Buffer.from(body.slice(end, found.index)))
    if (letter !== undefined) parts.push(Buffer.from(CHARACTERS[letter]!))
    else if (same !== undefined) parts.push(Buffer.from(same))
    else parts.push(Buffer.of(octal === undefined ? Number.parseInt(x!, 16) : Number.parseInt(octal, 8)))
    end = found.index + whole.length
  }
  parts.push(Buffer.from(body.slice(end)))
  return Buffer.concat(parts)
}
