/** IP addresses and ranges of them. */
import { canonicalIp, cidrContains, parseCidr } from '../../api/validation/names.ts'
import { noOverload } from '../comparing.ts'
import { Fault, OpaqueValue } from '../values.ts'
import { func, member } from '../overloads.ts'
import { addressError } from './addressErrors.ts'
import { isIP } from 'node:net'
import type { Overload } from '../overloads.ts'

class IpValue extends OpaqueValue {
  readonly typeName = 'net.IP'
  /** In its canonical form. */
  readonly text: string

  constructor(text: string) {
    super()
    this.text = text
  }

  get family(): 4 | 6 {
    return this.text.includes(':') ? 6 : 4
  }

  /** The bits, most significant first. */
  get bits(): bigint {
    return parseCidr(this.asRange())!.bits
  }

  asRange(): string {
    return `${this.text}/${this.family === 4 ? 32 : 128}`
  }

  equals(other: OpaqueValue): boolean {
    return other instanceof IpValue && other.text === this.text
  }

  override get sizeForCost(): number {
    return this.family === 4 ? 4 : 16
  }

  override toString(): string {
    return this.text
  }

  toJSON(): string {
    return this.text
  }
}

class CidrValue extends OpaqueValue {
  readonly typeName = 'net.CIDR'
  readonly address: IpValue
  readonly prefixLength: number

  constructor(address: IpValue, prefixLength: number) {
    super()
    this.address = address
    this.prefixLength = prefixLength
  }

  equals(other: OpaqueValue): boolean {
    return other instanceof CidrValue && other.toString() === this.toString()
  }

  override get sizeForCost(): number {
    return Math.ceil(this.prefixLength / 8)
  }

  override toString(): string {
    return `${this.address.text}/${this.prefixLength}`
  }

  toJSON(): string {
    return this.toString()
  }

  containsRange(text: string): boolean {
    return cidrContains(parseCidr(this.toString())!, parseCidr(text)!)
  }

  masked(): CidrValue {
    const width = this.address.family === 4 ? 32 : 128
    const host = BigInt(width - this.prefixLength)
    return new CidrValue(new IpValue(textOfBits((this.address.bits >> host) << host, this.address.family)), this.prefixLength)
  }
}

function textOfBits(bits: bigint, family: 4 | 6): string {
  const [count, size] = family === 4 ? [4, 8n] : [8, 16n]
  const groups = Array.from({ length: count }, (_, i) => (bits >> (BigInt(count - 1 - i) * size)) & ((1n << size) - 1n))
  return family === 4 ? groups.join('.') : canonicalIp(groups.map((group) => group.toString(16)).join(':'))!
}

const MAPPED = /^::ffff:(?:\d+\.|[\da-f]{1,4}:[\da-f]{1,4}$)/i

/** The canonical text, or what is wrong. */
function readIp(text: string): { ip: IpValue } | { error: string } {
  if (isIP(text) === 0)
    return { error: `IP Address ${JSON.stringify(text)} parse error during conversion from string: ${addressError(text)}` }
  if (text.includes('%')) return { error: `IP address ${JSON.stringify(text)} with zone value is not allowed` }
  const canonical = text.includes(':') ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text
  if (MAPPED.test(canonical)) return { error: `IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed` }
  return { ip: new IpValue(canonical) }
}

function toIp(text: string): IpValue {
  const read = readIp(text)
  if ('error' in read) throw new Fault(read.error)
  return read.ip
}

/** Where cel-go takes the text for an argument that does not fit. */
function ipOrNoOverload(text: string): IpValue {
  const read = readIp(text)
  if ('error' in read) throw noOverload()
  return read.ip
}

function readCidr(text: string): { cidr: CidrValue } | { error: string } {
  const said = `netip.ParsePrefix(${JSON.stringify(text)})`
  const wrong = (why: string): { error: string } => ({
    error: `network address parse error during conversion from string: ${said}: ${why}`,
  })
  const slash = text.lastIndexOf('/')
  if (slash < 0) return wrong("no '/'")
  const [address, length] = [text.slice(0, slash), text.slice(slash + 1)]
  if (isIP(address) === 0) return wrong(addressError(address))
  if (address.includes('%')) return wrong('IPv6 zones cannot be present in a prefix')
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length)) return wrong(`bad bits after slash: ${JSON.stringify(length)}`)
  if (Number(length) > (address.includes(':') ? 128 : 32)) return wrong('prefix length out of range')
  const read = readIp(address)
  if ('error' in read) return { error: `IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed` }
  return { cidr: new CidrValue(read.ip, Number(length)) }
}

function toCidr(text: string): CidrValue {
  const read = readCidr(text)
  if ('error' in read) throw new Fault(`network address parse error during conversion from string: ${read.error}`)
  return read.cidr
}

const isWithin = ({ bits }: IpValue, prefix: bigint, length: number, width: number): boolean => bits >> BigInt(width - length) === prefix

/** Of each family, what an address begins with, and how many bits of it. */
const within =
  (v4: readonly [bigint, number], v6: readonly [bigint, number]) =>
  (ip: IpValue): boolean =>
    ip.family === 4 ? isWithin(ip, v4[0], v4[1], 32) : isWithin(ip, v6[0], v6[1], 128)

const isUnspecified = within([0n, 32], [0n, 128])
const isLoopback = within([127n, 8], [1n, 128])
const isMulticast = within([0xen, 4], [0xffn, 8])
/** 224.0.0.0/24, and ff02 with any flags. */
const isLinkLocalMulticast = (ip: IpValue): boolean =>
  ip.family === 4 ? isWithin(ip, 0xe00000n, 24, 32) : ip.bits >> 120n === 0xffn && ((ip.bits >> 112n) & 0xfn) === 2n
const isLinkLocalUnicast = within([0xa9fen, 16], [0x3fan, 10])
const isBroadcast = (ip: IpValue): boolean => ip.text === '255.255.255.255'
const isGlobalUnicast = (ip: IpValue): boolean =>
  !isUnspecified(ip) && !isLoopback(ip) && !isMulticast(ip) && !isLinkLocalUnicast(ip) && !isBroadcast(ip)

const IP = 'net.IP'
const CIDR = 'net.CIDR'

export const ADDRESSES: readonly Overload[] = [
  func('string_to_ip', 'ip', 'string', IP, toIp),
  member('cidr_ip', 'ip', CIDR, IP, ({ address }: CidrValue) => address),
  member('ip_family', 'family', IP, 'int', ({ family }: IpValue) => BigInt(family)),
  func('ip_is_canonical', 'ip.isCanonical', 'string', 'bool', (text: string) => toIp(text).text === text),
  member('ip_is_unspecified', 'isUnspecified', IP, 'bool', isUnspecified),
  member('ip_is_loopback', 'isLoopback', IP, 'bool', isLoopback),
  member('ip_is_link_local_multicast', 'isLinkLocalMulticast', IP, 'bool', isLinkLocalMulticast),
  member('ip_is_link_local_unicast', 'isLinkLocalUnicast', IP, 'bool', isLinkLocalUnicast),
  member('ip_is_global_unicast', 'isGlobalUnicast', IP, 'bool', isGlobalUnicast),
  func('is_ip', 'isIP', 'string', 'bool', (text: string) => 'ip' in readIp(text)),
  func('ip_to_string', 'string', IP, 'string', String),
  func('string_to_cidr', 'cidr', 'string', CIDR, toCidr),
  member('cidr_contains_ip_string', 'containsIP', `${CIDR}, string`, 'bool', (cidr: CidrValue, text: string) =>
    cidr.containsRange(ipOrNoOverload(text).asRange()),
  ),
  member('cidr_contains_ip_ip', 'containsIP', `${CIDR}, ${IP}`, 'bool', (cidr: CidrValue, ip: IpValue) => cidr.containsRange(ip.asRange())),
  member('cidr_contains_cidr_string', 'containsCIDR', `${CIDR}, string`, 'bool', (cidr: CidrValue, text: string) =>
    cidr.containsRange(String(toCidr(text))),
  ),
  member('cidr_contains_cidr', 'containsCIDR', `${CIDR}, ${CIDR}`, 'bool', (cidr: CidrValue, other: CidrValue) =>
    cidr.containsRange(String(other)),
  ),
  member('cidr_prefix_length', 'prefixLength', CIDR, 'int', ({ prefixLength }: CidrValue) => BigInt(prefixLength)),
  member('cidr_masked', 'masked', CIDR, CIDR, (cidr: CidrValue) => cidr.masked()),
  func('is_cidr', 'isCIDR', 'string', 'bool', (text: string) => 'cidr' in readCidr(text)),
  func('cidr_to_string', 'string', CIDR, 'string', String),
]
