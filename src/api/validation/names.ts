/** The syntax rules of names, labels and addresses (k8s.io/apimachinery/pkg/util/validation): each answers the rules that are broken. */
import { isIP, isIPv4 } from 'node:net'

export type NameRule = (name: string, isPrefix: boolean) => string[]

function tooLong(max: number, unit: 'characters' | 'bytes' = 'characters'): string {
  return `must be no more than ${max} ${unit}`
}

function regexError(what: string, pattern: string, ...examples: string[]): string {
  const list = examples.map((example) => `'${example}'`).join(',  or ')
  return examples.length > 0 ? `${what} (e.g. ${list}, regex used for validation is '${pattern}')` : `${what} (regex used for validation is '${pattern}')`
}

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const LABEL_RE = new RegExp(`^${LABEL}$`)
const LABEL_ERROR = regexError(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  LABEL, 'my-name', '123-abc',
)
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`
const SUBDOMAIN_RE = new RegExp(`^${SUBDOMAIN}$`)
const SUBDOMAIN_ERROR = regexError(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  SUBDOMAIN, 'example.com',
)
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?'
const LABEL_1035_RE = new RegExp(`^${LABEL_1035}$`)
const LABEL_1035_ERROR = regexError(
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  LABEL_1035, 'my-name', 'abc-123',
)
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const QUALIFIED_RE = new RegExp(`^${QUALIFIED}$`)
const QUALIFIED_TEXT = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
const LABEL_VALUE = `(${QUALIFIED})?`
const LABEL_VALUE_RE = new RegExp(`^${LABEL_VALUE}$`)
const LABEL_VALUE_ERROR = regexError(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  LABEL_VALUE, 'MyValue', 'my_value', '12345',
)
const WILDCARD = `\\*\\.${SUBDOMAIN}`
const WILDCARD_RE = new RegExp(`^${WILDCARD}$`)
const CONFIG_KEY = '[-._a-zA-Z0-9]+'
const ENV_NAME_RE = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/
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
    const text = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
    errors.push(regexError(text, WILDCARD, '*.example.com'))
  }
  return errors
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
    else errors.push(...isDns1123Subdomain(prefix).map((error) => `prefix part ${error}`))
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
    errors.push(regexError("a valid config key must consist of alphanumeric characters, '-', '_' or '.'", CONFIG_KEY, 'key.name', 'KEY_NAME', 'key-name'))
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
  return /^[ -<>-~]+$/.test(value) ? [] : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
}

export function isEnvVarName(value: string): string[] {
  const text = "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit"
  const errors = ENV_NAME_RE.test(value) ? [] : [regexError(text, '[-._a-zA-Z][-._a-zA-Z0-9]*', 'my.env-name', 'MY_ENV.NAME', 'MyEnvName1')]
  return [...errors, ...dotErrors(value)]
}

export function isCIdentifier(value: string): string[] {
  const text = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'"
  return new RegExp(`^${C_IDENTIFIER}$`).test(value) ? [] : [regexError(text, C_IDENTIFIER, 'my_name', 'MY_NAME', 'MyName')]
}

export function isPortNumber(value: number): string[] {
  return value >= 1 && value <= 65_535 ? [] : ['must be between 1 and 65535, inclusive']
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

export function isValidIp(value: string): string[] {
  return isIP(value) === 0 || hasLeadingZeros(value) ? ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'] : []
}

function hasLeadingZeros(value: string): boolean {
  return isIPv4(value) && value.split('.').some((part) => part.length > 1 && part.startsWith('0'))
}

export function isValidCidr(value: string): string[] {
  const [address, bits, ...rest] = value.split('/')
  const version = isIP(address ?? '')
  const ok = rest.length === 0 && version !== 0 && /^\d{1,3}$/.test(bits ?? '') && Number(bits) <= (version === 4 ? 32 : 128)
  return ok ? [] : ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']
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
export const nameIsDns1035Label: NameRule = (name, isPrefix) => isDns1035Label(isPrefix ? maskTrailingDash(name) : name)
