/** The words of an expression. */
type TokenKind = 'ident' | 'escaped' | 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'symbol' | 'end'

export interface Token {
  kind: TokenKind
  text: string
  offset: number
}

const SPACE = /[\t \r\n\f]+|\/\/[^\n]*/y
const NUMBER = /0x[0-9a-fA-F]+[uU]?|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?|\d+[uU]?/y
const ESCAPE = String.raw`\\(?:[abfnrtv"'\\?\x60]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})`
const STRING = new RegExp(
  [
    String.raw`[bB]?[rR]"""[^]*?"""`,
    String.raw`[bB]?[rR]'''[^]*?'''`,
    String.raw`[bB]?"""(?:${ESCAPE}|[^\\])*?"""`,
    String.raw`[bB]?'''(?:${ESCAPE}|[^\\])*?'''`,
    String.raw`[bB]?[rR]"[^"\n\r]*"`,
    String.raw`[bB]?[rR]'[^'\n\r]*'`,
    String.raw`[bB]?"(?:${ESCAPE}|[^\\"\n\r])*"`,
    String.raw`[bB]?'(?:${ESCAPE}|[^\\'\n\r])*'`,
  ].join('|'),
  'y',
)
const IDENT = /[A-Za-z_]\w*/y
const ESCAPED = /`[\w.\-/ ]+`/y
const SYMBOL = /==|!=|<=|>=|&&|\|\||[<>[\]{}().,\-!?:+*/%]/y

/** What begins a word and is none, up to where that shows: the character after it belongs to what is passed over. */
const BEGINNING = new RegExp(
  [
    '[=&|]',
    '`[\\w.\\-/ ]*',
    `(?:"(?:${ESCAPE}|[^\\\\"\n\r])*|'(?:${ESCAPE}|[^\\\\'\n\r])*)(?:\\\\(?:[xX][0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7}|[0-3][0-7]?)?)?`,
  ].join('|'),
  'y',
)

function match(pattern: RegExp, source: string, offset: number): string | undefined {
  pattern.lastIndex = offset
  return pattern.exec(source)?.[0]
}

const numberKind = (text: string): TokenKind => {
  if (/[uU]$/.test(text)) return 'uint'
  return text.startsWith('0x') || /^\d+$/.test(text) ? 'int' : 'double'
}

/** Characters that begin no word are reported and passed over. */
export function tokenize(source: string, onError: (offset: number, text: string) => void): Token[] {
  const tokens: Token[] = []
  let offset = 0
  const take = (kind: TokenKind, text: string): void => {
    tokens.push({ kind, text, offset })
    offset += text.length
  }
  while (offset < source.length) {
    const space = match(SPACE, source, offset)
    if (space) {
      offset += space.length
      continue
    }
    const text = match(STRING, source, offset)
    if (text) {
      take(/^[bB]/.test(text) ? 'bytes' : 'string', text)
      continue
    }
    const word = match(IDENT, source, offset)
    if (word) {
      take('ident', word)
      continue
    }
    const number = match(NUMBER, source, offset)
    if (number) {
      take(numberKind(number), number)
      continue
    }
    const escaped = match(ESCAPED, source, offset)
    if (escaped) {
      take('escaped', escaped)
      continue
    }
    const symbol = match(SYMBOL, source, offset)
    if (symbol) {
      take('symbol', symbol)
      continue
    }
    const beginning = match(BEGINNING, source, offset) ?? ''
    const after = source.codePointAt(offset + beginning.length)
    const text_ = after === undefined ? beginning : beginning + String.fromCodePoint(after)
    onError(offset, text_)
    offset += text_.length
  }
  tokens.push({ kind: 'end', text: '<EOF>', offset: source.length })
  return tokens
}
