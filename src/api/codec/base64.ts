/** Base64 as Go's `base64.StdEncoding` reads it: line breaks are skipped, everything else must be right. */

export class Base64Error extends Error {
  override readonly name = 'Base64Error'
}

const CLEAN = /^(?:[A-Za-z0-9+/]{4})*$/
const WELL_FORMED = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Where Go gives up. */
function offsetOfError(text: string): number {
  let inQuantum = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string
    if (char === '\r' || char === '\n') continue
    if (char !== '=') {
      if (!/[A-Za-z0-9+/]/.test(char)) return at
      inQuantum = (inQuantum + 1) % 4
      continue
    }
    if (inQuantum < 2) return at
    const rest = [...text.slice(at + 1).matchAll(/[^\r\n]/g)]
    if (inQuantum === 3) return rest[0] ? at + 1 + rest[0].index : text.length
    if (!rest[0]) return text.length
    if (rest[0][0] !== '=') return at + 1 + rest[0].index
    return rest[1] ? at + 1 + rest[1].index : text.length
  }
  return text.length - inQuantum
}

/** The text as Go writes the same bytes. Throws Base64Error. */
export function canonicalBase64(text: string): string {
  if (CLEAN.test(text)) return text
  const joined = text.replace(/[\r\n]/g, '')
  if (!WELL_FORMED.test(joined)) throw new Base64Error(`illegal base64 data at input byte ${offsetOfError(text)}`)
  return joined.endsWith('=') ? Buffer.from(joined, 'base64').toString('base64') : joined
}
