/** The string formats that values are checked against (kube-openapi's strfmt). Others are not checked, and warned of in definitions. */
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { isDns1123Label, isDns1123Subdomain, parseCidr } from '../../api/validation/names.ts'

type Check = (text: string) => boolean

const matches =
  (pattern: RegExp): Check =>
  (text) =>
    pattern.test(text)

const HEX = '[0-9a-f]'
const uuid = (version: string, variant = HEX): Check =>
  matches(new RegExp(`^${HEX}{8}-?${HEX}{4}-?${version}${HEX}{3}-?${variant}${HEX}{3}-?${HEX}{12}$`, 'i'))

const HOSTNAME =
  /^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$/u
const DATE_TIME = /^(\d{4}-\d{2}-\d{2})[tT](\d{2}):(\d{2}):(\d{2})(\.\d+)?([zZ]|[+-]\d{2}:\d{2})$/
const GO_DURATION = /^[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*$/
const DURATION_PART = /\d+\s*([A-Za-zµ]+)/g
/** Whole names, and beginnings of long ones. */
const DURATION_UNIT = /^(?:(?:ns|us|µs|ms|s|m|h|hr|d|w|wk)$|nano|micro|milli|sec|min|hour|day|week)/i
const CARD =
  /^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$/

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const parsed = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(text)
}

function isDateTime(text: string): boolean {
  const [, date = '', hours = '', minutes = '', seconds = ''] = DATE_TIME.exec(text) ?? []
  return isDate(date) && Number(hours) < 24 && Number(minutes) < 60 && Number(seconds) < 60
}

function isHostname(text: string): boolean {
  if (!HOSTNAME.test(text) || text.length > 255) return false
  return text.split('.').every((part) => part.length <= 63 && part !== '')
}

/** Go's net/url.ParseRequestURI. */
function isUri(text: string): boolean {
  if (text === '' || /\p{Cc}/u.test(text) || /%(?![0-9a-fA-F]{2})/.test(text)) return false
  if (text.startsWith('/')) return true
  const [, scheme, rest = ''] = /^([a-zA-Z][a-zA-Z0-9+.-]*):(.*)$/s.exec(text) ?? []
  if (scheme === undefined) return text === '*'
  if (!rest.startsWith('//')) return rest !== ''
  const host = (rest.slice(2).split(/[/?]/)[0] as string).replace(/^.*@/, '')
  return !/[\s<>"{}|\\^`]/.test(host) && !/:[^\]\d]*[^\d\]:][^\]]*$/.test(host.replace(/^\[[^\]]*\]/, ''))
}

/** Go's net/mail.ParseAddress. */
function isEmail(text: string): boolean {
  const address = /^[^<>]*<([^<>]+)>$/.exec(text)?.[1] ?? text
  const at = address.lastIndexOf('@')
  const [local, domain] = [address.slice(0, at), address.slice(at + 1)]
  if (at <= 0 || domain === '') return false
  const atom = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\uffff]+(\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\uffff]+)*$/
  return (atom.test(local) || /^"([^"\\]|\\.)*"$/.test(local)) && (atom.test(domain) || /^\[[^[\]]*\]$/.test(domain))
}

function isMac(text: string): boolean {
  const groups = [6, 8, 20]
  return (
    groups.some((n) => [':', '-', ''].some((sep) => new RegExp(`^${HEX}{2}(${sep}${HEX}{2}){${n - 1}}$`, 'i').test(text))) ||
    groups.some((n) => new RegExp(`^${HEX}{4}(\\.${HEX}{4}){${n / 2 - 1}}$`, 'i').test(text))
  )
}

function isIsbn10(text: string): boolean {
  const digits = text.replace(/[\s-]/g, '')
  if (!/^\d{9}[\dX]$/.test(digits)) return false
  const sum = [...digits].reduce((total, digit, i) => total + (digit === 'X' ? 10 : Number(digit)) * (10 - i), 0)
  return sum % 11 === 0
}

function isIsbn13(text: string): boolean {
  const digits = text.replace(/[\s-]/g, '')
  if (!/^\d{13}$/.test(digits)) return false
  return [...digits].reduce((total, digit, i) => total + Number(digit) * (i % 2 === 0 ? 1 : 3), 0) % 10 === 0
}

function isCreditCard(text: string): boolean {
  const digits = text.replace(/[^0-9]+/g, '')
  if (!CARD.test(digits)) return false
  const sum = [...digits].toReversed().reduce((total, digit, i) => {
    const value = Number(digit) * (i % 2 === 0 ? 1 : 2)
    return total + (value > 9 ? value - 9 : value)
  }, 0)
  return sum % 10 === 0
}

function isRgb(text: string): boolean {
  const parts = /^rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$/.exec(text)?.slice(1)
  return parts !== undefined && parts.every((part) => Number(part) <= 255 && !/^0\d/.test(part))
}

const CHECKS: Readonly<Record<string, Check>> = {
  bsonobjectid: matches(/^[0-9a-fA-F]{24}$/),
  uri: isUri,
  email: isEmail,
  hostname: isHostname,
  // Leading zeros do not make a number octal, nor another format.
  ipv4: (text) => isIPv4(text.replace(/\b0+(?=\d)/g, '')),
  ipv6: (text) => isIPv6(text) && !text.includes('%'),
  cidr: (text) => isIP(text.split('/')[0] as string) !== 0 && parseCidr(text) !== undefined,
  mac: isMac,
  uuid: matches(new RegExp(`^${HEX}{8}-?${HEX}{4}-?${HEX}{4}-?${HEX}{4}-?${HEX}{12}$`, 'i')),
  uuid3: uuid('3'),
  uuid4: uuid('4', '[89ab]'),
  uuid5: uuid('5', '[89ab]'),
  isbn: (text) => isIsbn10(text) || isIsbn13(text),
  isbn10: isIsbn10,
  isbn13: isIsbn13,
  creditcard: isCreditCard,
  ssn: matches(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
  hexcolor: matches(/^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/),
  rgbcolor: isRgb,
  byte: (text) => text !== '' && text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text),
  password: () => true,
  date: isDate,
  duration: (text) =>
    text === '0' || GO_DURATION.test(text) || [...text.matchAll(DURATION_PART)].some(([, unit]) => DURATION_UNIT.test(unit!)),
  datetime: isDateTime,
  k8sshortname: (text) => isDns1123Label(text).length === 0,
  k8slongname: (text) => isDns1123Subdomain(text).length === 0,
}

const normalized = (format: string): string => format.replaceAll('-', '')

/** Undefined for a format that is not known. */
export function formatCheck(format: string): Check | undefined {
  const name = normalized(format)
  return Object.hasOwn(CHECKS, name) ? CHECKS[name] : undefined
}

/** Whether a schema of this type may have this format; others are ignored. */
export function isKnownFormat(type: string | undefined, format: string): boolean {
  switch (type ?? '') {
    case '':
    case 'string':
      return formatCheck(format) !== undefined
    case 'integer':
      return format === 'int32' || format === 'int64'
    case 'number':
      return format === 'float' || format === 'double'
    default:
      return false
  }
}
