/** The syntax rules of names, labels and addresses (k8s.io/apimachinery/pkg/util/validation): each answers the rules that are broken. */
import { isIP, isIPv4 } from 'node:net'

export type NameRule = (name: string, isPrefix: boolean) => string[]

function tooLong(max: number, unit: 'characters' | 'bytes' = 'characters'): string {
  return `must be no more than ${max} ${unit}`
}

export function regexError(what: string, pattern: string, ...examples: string[]): string {
  const list = examples.map((example) => `'${example}'`).join(',  or ')
  return examples.length > 0
    ? `${what} (e.g. ${list}, regex used for validation is '${pattern}')`
    : `${what} (regex used for validation is '${pattern}')`
}

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const LABEL_RE = new RegExp(`^${LABEL}$`)
const LABEL_ERROR = regexError(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  LABEL,
  'my-name',
  '123-abc',
)
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`
const SUBDOMAIN_RE = new RegExp(`^${SUBDOMAIN}$`)
const SUBDOMAIN_ERROR = regexError(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  SUBDOMAIN,
  'example.com',
)
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?'
const LABEL_1035_RE = new RegExp(`^${LABEL_1035}$`)
const LABEL_1035_ERROR = regexError(
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  LABEL_1035,
  'my-name',
  'abc-123',
)
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const QUALIFIED_RE = new RegExp(`^${QUALIFIED}$`)
const QUALIFIED_TEXT = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
const LABEL_VALUE = `(${QUALIFIED})?`
const LABEL_VALUE_RE = new RegExp(`^${LABEL_VALUE}$`)
const LABEL_VALUE_ERROR = regexError(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  LABEL_VALUE,
  'MyValue',
  'my_value',
  '12345',
)
const WILDCARD = `\\*\\.${SUBDOMAIN}`
const WILDCARD_RE = new RegExp(`^${WILDCARD}$`)
const CONFIG_KEY = '[-._a-zA-Z0-9]+'
const C_IDENTIFIER = '[A-Za-z_][A-Za-z0-9_]*'

const byteLength = (text: string): number => Buffer.byteLength(text)

export function isDns1123Label(value: string): string[] {
  const errors: string[] = []
  if (byteLength(value) > 63) errors.push(tooLong(63))
  if (!LABEL_RE.test(value)) errors.push(SUBDOMAIN_RE.test(value) ? 'must not contain dots' : LABEL_ERROR)
  return errors
}

export function isDns1123Subdomain(value: string): string[] {
  const errors: string[] = []
  if (byteLength(value) > 253) errors.push(tooLong(253))
  if (!SUBDOMAIN_RE.test(value)) errors.push(SUBDOMAIN_ERROR)
  return errors
}

const UNDERSCORE_LABEL = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const UNDERSCORE_SUBDOMAIN = `${UNDERSCORE_LABEL}(\\.${UNDERSCORE_LABEL})*`
const UNDERSCORE_SUBDOMAIN_RE = new RegExp(`^${UNDERSCORE_SUBDOMAIN}$`)
const UNDERSCORE_SUBDOMAIN_ERROR = regexError(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
  UNDERSCORE_SUBDOMAIN,
  'example.com',
)

/** What DNS search domains are allowed: a subdomain that may have underscores. */
export function isDns1123SubdomainWithUnderscore(value: string): string[] {
  const errors: string[] = []
  if (byteLength(value) > 253) errors.push(tooLong(253))
  if (!UNDERSCORE_SUBDOMAIN_RE.test(value)) errors.push(UNDERSCORE_SUBDOMAIN_ERROR)
  return errors
}

export function isDns1035Label(value: string): string[] {
  const errors: string[] = []
  if (byteLength(value) > 63) errors.push(tooLong(63))
  if (!LABEL_1035_RE.test(value)) errors.push(LABEL_1035_ERROR)
  return errors
}

export function isWildcardDns1123Subdomain(value: string): string[] {
  const errors: string[] = []
  if (byteLength(value) > 253) errors.push(tooLong(253))
  if (!WILDCARD_RE.test(value)) {
    const text =
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
    errors.push(regexError(text, WILDCARD, '*.example.com'))
  }
  return errors
}

/** A DNS subdomain by the rules that upstream generates from its types, which count bytes. */
export function isLongName(value: string): string[] {
  return [...(byteLength(value) > 253 ? [tooLong(253, 'bytes')] : []), ...(SUBDOMAIN_RE.test(value) ? [] : [SUBDOMAIN_ERROR])]
}

/** `prefix/name`, as label and annotation keys are. */
export function isQualifiedName(value: string): string[] {
  const parts = value.split('/')
  const errors: string[] = []
  let name: string
  if (parts.length === 1) name = parts[0] as string
  else if (parts.length === 2) {
    const prefix = parts[0] as string
    name = parts[1] as string
    if (prefix === '') errors.push('prefix part must be non-empty')
    else errors.push(...isLongName(prefix).map((error) => `prefix part ${error}`))
  } else {
    const text = `a valid label key ${regexError(QUALIFIED_TEXT, QUALIFIED, 'MyName', 'my.name', '123-abc')}`
    return [`${text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`]
  }
  if (name === '') errors.push('name part must be non-empty')
  else if (byteLength(name) > 63) errors.push(`name part ${tooLong(63, 'bytes')}`)
  if (!QUALIFIED_RE.test(name)) errors.push(`name part ${regexError(QUALIFIED_TEXT, QUALIFIED, 'MyName', 'my.name', '123-abc')}`)
  return errors
}

export function isLabelValue(value: string): string[] {
  const errors: string[] = []
  if (byteLength(value) > 63) errors.push(tooLong(63, 'bytes'))
  if (!LABEL_VALUE_RE.test(value)) errors.push(LABEL_VALUE_ERROR)
  return errors
}

export function isConfigMapKey(value: string): string[] {
  const errors: string[] = []
  if (byteLength(value) > 253) errors.push(tooLong(253))
  if (!new RegExp(`^${CONFIG_KEY}$`).test(value)) {
    errors.push(
      regexError(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        CONFIG_KEY,
        'key.name',
        'KEY_NAME',
        'key-name',
      ),
    )
  }
  return [...errors, ...dotErrors(value)]
}

function dotErrors(value: string): string[] {
  if (value === '.') return ["must not be '.'"]
  if (value === '..') return ["must not be '..'"]
  return value.startsWith('..') ? ["must not start with '..'"] : []
}

/** Any printable ASCII but `=`. */
export function isRelaxedEnvVarName(value: string): string[] {
  if (value === '') return ['environment variable name must be non-empty']
  return /^[ -<>-~]+$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
}

export function isCIdentifier(value: string): string[] {
  const text = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'"
  return new RegExp(`^${C_IDENTIFIER}$`).test(value) ? [] : [regexError(text, C_IDENTIFIER, 'my_name', 'MY_NAME', 'MyName')]
}

export function isPortNumber(value: number): string[] {
  return value >= 1 && value <= 65_535 ? [] : ['must be between 1 and 65535, inclusive']
}

/** Ids of users and groups. */
export function isUnixId(value: number): string[] {
  return value >= 0 && value <= 2_147_483_647 ? [] : ['must be between 0 and 2147483647, inclusive']
}

export function isPercent(value: string): string[] {
  const text = "a valid percent string must be a numeric string followed by an ending '%'"
  return /^[0-9]+%$/.test(value) ? [] : [regexError(text, '[0-9]+%', '1%', '93%')]
}

/** A port by number or by name. */
export function isPortNumberOrName(value: number | string): string[] {
  return typeof value === 'number' ? isPortNumber(value) : isPortName(value)
}

export function isPortName(value: string): string[] {
  const errors: string[] = []
  if (value.length > 15) errors.push(tooLong(15))
  if (!/^[-a-z0-9]+$/.test(value)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)')
  if (value.includes('--')) errors.push('must not contain consecutive hyphens')
  if (value.startsWith('-') || value.endsWith('-')) errors.push('must not begin or end with a hyphen')
  return errors
}

export function isHttpHeaderName(value: string): string[] {
  const text = "a valid HTTP header must consist of alphanumeric characters or '-'"
  return /^[-A-Za-z0-9]+$/.test(value) ? [] : [regexError(text, '[-A-Za-z0-9]+', 'X-Header-Name')]
}

/** IPv4 parts may have leading zeros for Go's lenient parser; zones are never allowed. */
function lenientIp(value: string): string | undefined {
  if (value.includes('%')) return undefined
  if (isIP(value) !== 0) return value
  const stripped =
    value.includes('.') && !value.includes(':')
      ? value
          .split('.')
          .map((part) => part.replace(/^0+(?=\d)/, ''))
          .join('.')
      : ''
  return isIPv4(stripped) ? stripped : undefined
}

const MAPPED_RE = /^::ffff:\d+\.\d+\.\d+\.\d+$/i

/** An IPv6 address as RFC 5952 writes it, an IPv4 one without leading zeros; undefined for what is no address. */
export function canonicalIp(value: string): string | undefined {
  const ip = lenientIp(value)
  if (ip === undefined || !ip.includes(':')) return ip
  if (MAPPED_RE.test(ip)) return ip.slice('::ffff:'.length)
  return new URL(`http://[${ip}]`).hostname.slice(1, -1)
}

export function isValidIp(value: string): string[] {
  const ip = lenientIp(value)
  if (ip === undefined) return ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']
  if (ip !== value) return ['must not have leading 0s']
  return MAPPED_RE.test(value) ? ['must not be an IPv4-mapped IPv6 address'] : []
}

/** isValidIp, and in its one right spelling. */
export function isCanonicalIp(value: string): string[] {
  const broken = isValidIp(value)
  if (broken.length > 0) return broken
  const canonical = canonicalIp(value)
  return canonical === value ? [] : [`must be in canonical form ("${canonical}")`]
}

/** The bits of an address, most significant first. */
function bitsOf(ip: string): bigint {
  if (isIPv4(ip)) return ip.split('.').reduce((bits, part) => (bits << 8n) | BigInt(part), 0n)
  const [head = '', tail] = (canonicalIp(ip) as string).split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const [left, right] = [groups(head), groups(tail ?? '')]
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0')
  return [...left, ...zeros, ...right].reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n)
}

const CIDR_ERROR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'

export interface Cidr {
  version: 4 | 6
  bits: bigint
  prefixLength: number
}

/** Undefined for what is no CIDR, also in Go's lenient reading. */
export function parseCidr(value: string): Cidr | undefined {
  const [address = '', length, ...rest] = value.split('/')
  const ip = lenientIp(address)
  if (ip === undefined || rest.length > 0 || length === undefined || !/^\d{1,4}$/.test(length)) return undefined
  const version = isIPv4(ip) ? 4 : 6
  const prefixLength = Number(length)
  if (prefixLength > (version === 4 ? 32 : 128)) return undefined
  return { version, bits: MAPPED_RE.test(ip) ? bitsOf(ip.slice('::ffff:'.length)) : bitsOf(ip), prefixLength }
}

/** An address range as it is written best; undefined for what is none. */
export function canonicalCidr(value: string): string | undefined {
  const cidr = parseCidr(value)
  return cidr && `${canonicalIp(value.split('/')[0] as string)}/${cidr.prefixLength}`
}

/** Whether `inner` lies within `outer`. */
export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  if (outer.version !== inner.version || inner.prefixLength < outer.prefixLength) return false
  const shift = BigInt((outer.version === 4 ? 32 : 128) - outer.prefixLength)
  return outer.bits >> shift === inner.bits >> shift
}

export function isValidCidr(value: string): string[] {
  const cidr = parseCidr(value)
  if (!cidr) return [CIDR_ERROR]
  const [address = '', length = ''] = value.split('/')
  if (lenientIp(address) !== address || /^0\d/.test(length)) return ['must not have leading 0s in IP or prefix length']
  if (MAPPED_RE.test(address)) return ['must not have an IPv4-mapped IPv6 address']
  const hostBits = BigInt((cidr.version === 4 ? 32 : 128) - cidr.prefixLength)
  return (cidr.bits >> hostBits) << hostBits === cidr.bits ? [] : ['must not have bits set beyond the prefix length']
}

/** Names that are one segment of a URL path: all that RBAC asks of a name. */
export function isPathSegmentName(name: string, isPrefix: boolean): string[] {
  if (!isPrefix) {
    if (name === '.' || name === '..') return [`may not be '${name}'`]
  }
  return ['/', '%'].filter((c) => name.includes(c)).map((c) => `may not contain '${c}'`)
}

function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name
}

export const nameIsDnsSubdomain: NameRule = (name, isPrefix) => isDns1123Subdomain(isPrefix ? maskTrailingDash(name) : name)
export const nameIsDnsLabel: NameRule = (name, isPrefix) => isDns1123Label(isPrefix ? maskTrailingDash(name) : name)
