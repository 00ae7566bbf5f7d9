/**
 * Looks over JSON text for what JSON.parse would hide from the decoder. Bodies are almost always clean; for those JSON.parse
 * and a count of keys replace the slow parser.
 */
import { MAX_JSON_DEPTH } from './jsonTree.ts'

export interface JsonScan {
  /** Members of all objects together, doubles included: when fewer arrive there were doubles. */
  keys: number
  /** Fractions, exponents, or integers too long for a double: the text of a number matters then. */
  oddNumbers: boolean
  tooDeep: boolean
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** Every integer of so many digits is exact as a double. */
const SAFE_DIGITS = 15

function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++
    if (slashes % 2 === 0) return at
  }
  return text.length
}

/** Of text that JSON.parse accepts. */
export function scanJson(text: string): JsonScan {
  const scan: JsonScan = { keys: 0, oddNumbers: false, tooDeep: false }
  let depth = 0
  let digits = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code >= 0x30 && code <= 0x39) {
      if (++digits > SAFE_DIGITS) scan.oddNumbers = true
      continue
    }
    if (digits > 0 && (code === 0x2e || code === 0x65 || code === 0x45)) scan.oddNumbers = true
    digits = 0
    if (code === QUOTE) at = endOfString(text, at + 1)
    else if (code === 0x3a) scan.keys++
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_JSON_DEPTH) scan.tooDeep = true
    } else if (code === 0x7d || code === 0x5d) depth--
  }
  return scan
}
