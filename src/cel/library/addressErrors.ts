/** What Go's net/netip says of texts that are no addresses. */

interface Fault {
  message: string
  /** The rest of the text, from where it is wrong. */
  at?: string
}

const quoted = (text: string): string => JSON.stringify(text)

function ipv4Fault(text: string): Fault | undefined {
  let [value, digits, fields] = [0, 0, 0]
  for (const [i, character] of [...text].entries()) {
    if (/\d/.test(character)) {
      if (digits === 1 && value === 0) return { message: 'IPv4 field has octet with leading zero' }
      value = value * 10 + Number(character)
      digits++
      if (value > 255) return { message: 'IPv4 field has value >255' }
    } else if (character === '.') {
      if (i === 0 || i === text.length - 1 || text[i - 1] === '.')
        return { message: 'IPv4 field must have at least one digit', at: text.slice(i) }
      if (fields === 3) return { message: 'IPv4 address too long' }
      fields++
      value = digits = 0
    } else return { message: 'unexpected character', at: text.slice(i) }
  }
  return fields < 3 ? { message: 'IPv4 address too short' } : undefined
}

const NO_DIGIT = 'each colon-separated field must have at least one digit'

function ipv6Fault(text: string): Fault | undefined {
  let rest = text
  let ellipsis = -1
  let bytes = 0
  if (rest.startsWith('::')) {
    ellipsis = 0
    rest = rest.slice(2)
    if (rest === '') return undefined
  }
  while (bytes < 16) {
    const digits = /^[0-9a-fA-F]*/.exec(rest)![0].length
    if (digits > 4) return { message: 'each group must have 4 or less digits', at: rest }
    if (digits === 0) return { message: NO_DIGIT, at: rest }
    if (rest[digits] === '.') {
      if (ellipsis < 0 && bytes !== 12) return { message: 'embedded IPv4 address must replace the final 2 fields of the address', at: rest }
      if (bytes + 4 > 16) return { message: 'too many hex fields to fit an embedded IPv4 at the end of the address', at: rest }
      const fault = ipv4Fault(rest)
      if (fault) return fault
      rest = ''
      bytes += 4
      break
    }
    bytes += 2
    rest = rest.slice(digits)
    if (rest === '') break
    if (rest[0] !== ':') return { message: 'unexpected character, want colon', at: rest }
    if (rest.length === 1) return { message: 'colon must be followed by more characters', at: rest }
    rest = rest.slice(1)
    if (rest[0] !== ':') continue
    if (ellipsis >= 0) return { message: 'multiple :: in address', at: rest }
    ellipsis = bytes
    rest = rest.slice(1)
    if (rest === '') break
  }
  if (rest !== '') return { message: 'trailing garbage after address', at: rest }
  if (bytes < 16) return ellipsis < 0 ? { message: 'address string too short' } : undefined
  return ellipsis >= 0 ? { message: 'the :: must expand to at least one field of zeros' } : undefined
}

function faultOf(text: string): Fault {
  const separator = /[.:%]/.exec(text)?.[0]
  if (separator === '.') return ipv4Fault(text) ?? { message: 'unable to parse IP' }
  if (separator === '%') return { message: 'missing IPv6 address' }
  if (separator === undefined) return { message: 'unable to parse IP' }
  const [address = '', zone] = text.split('%')
  if (zone === '') return { message: 'zone must be a non-empty string' }
  return ipv6Fault(address) ?? { message: 'unable to parse IP' }
}

/** For a text that is no address. */
export function addressError(text: string): string {
  const { message, at } = faultOf(text)
  return `ParseAddr(${quoted(text)}): ${message}${at ? ` (at ${quoted(at)})` : ''}`
}
