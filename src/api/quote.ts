/** Text as Go quotes it, for messages that have to be upstream's to the letter. */

/** As JSON and Go write a character by its number. */
export function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/** Go's %q. */
export function quote(text: string): string {
  const inner = text.replace(/["\\]|[^\P{C}]|[^\P{Z} ]/gu, (char) => {
    const code = char.codePointAt(0) as number
    const hex = code.toString(16)
    return (
      SHORT_ESCAPES[char] ?? (code < 0x80 ? `\\x${hex.padStart(2, '0')}` : code > 0xffff ? `\\U${hex.padStart(8, '0')}` : escaped(char))
    )
  })
  return `"${inner}"`
}
