/**
 * The two families of IP addresses as data, so that whoever works with both says things once: how addresses are read and
 * written, and what nftables and the kernel call them. Addresses are bigints, offsets within a range are numbers.
 */
import { isIPv4, isIPv6 } from 'node:net'

export type IpFamilyName = 'IPv4' | 'IPv6'

export interface IpFamily {
  readonly name: IpFamilyName
  /** Of an address. */
  readonly bits: 32 | 128
  /** What nftables calls it: the family of tables and the selector of headers, and the type of addresses. */
  readonly nft: 'ip' | 'ip6'
  readonly nftAddress: 'ipv4_addr' | 'ipv6_addr'
  /** What `ip` takes for it. */
  readonly flag: '-4' | '-6'
  /** Addresses that never leave a machine. */
  readonly loopbackRange: '127.0.0.0/8' | '::1'
  readonly unspecified: '0.0.0.0' | '::'
}

export const IPV4: IpFamily = {
  name: 'IPv4',
  bits: 32,
  nft: 'ip',
  nftAddress: 'ipv4_addr',
  flag: '-4',
  loopbackRange: '127.0.0.0/8',
  unspecified: '0.0.0.0',
}
export const IPV6: IpFamily = {
  name: 'IPv6',
  bits: 128,
  nft: 'ip6',
  nftAddress: 'ipv6_addr',
  flag: '-6',
  loopbackRange: '::1',
  unspecified: '::',
}
export const IP_FAMILIES: readonly IpFamily[] = [IPV4, IPV6]

/** Of an address or range that is one: IPv6 addresses alone have colons. */
export const familyOf = (addressOrRange: string): IpFamily => (addressOrRange.includes(':') ? IPV6 : IPV4)

/** What `families` there are among addresses or ranges, in that order. */
export function familiesOf(addressesOrRanges: readonly string[]): IpFamily[] {
  return [...new Set(addressesOrRanges.map(familyOf))]
}

export const isOfFamily =
  (family: IpFamily) =>
  (addressOrRange: string): boolean =>
    familyOf(addressOrRange) === family

/** With a port: IPv6 addresses stand in brackets. */
export const hostPort = (address: string, port: number | string): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

/** Undefined for what is no address of either family. */
export function parseIp(text: string): bigint | undefined {
  if (isIPv4(text)) return BigInt(text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0))
  if (!isIPv6(text) || text.includes('%')) return undefined
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const embedded = dotted?.[2] === undefined ? undefined : Number(parseIp(dotted[2]))
  const all = embedded === undefined ? text : `${dotted?.[1]}${(embedded >>> 16).toString(16)}:${(embedded & 0xffff).toString(16)}`
  const [head = '', tail] = all.split('::')
  const wordsOf = (part: string | undefined): string[] => (part ? part.split(':') : [])
  const [first, last] = [wordsOf(head), wordsOf(tail)]
  const middle = Array.from({ length: 8 - first.length - last.length }, () => '0')
  return BigInt(`0x${[...first, ...middle, ...last].map((word) => word.padStart(4, '0')).join('')}`)
}

/** As Go and RFC 5952 write it. */
export function formatIp(family: IpFamily, address: bigint): string {
  if (family === IPV4) return [24n, 16n, 8n, 0n].map((shift) => String((address >> shift) & 0xffn)).join('.')
  const words = Array.from({ length: 8 }, (_, i) => Number((address >> BigInt(112 - 16 * i)) & 0xffffn))
  let [from, length] = [-1, 1]
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && words[end] === 0) end++
    if (end - i > length) [from, length] = [i, end - i]
  }
  const text = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(':')
  if (from < 0) return text(words)
  // An address of the other family within this one keeps its dots.
  if (address >> 32n === 0xffffn) return `::ffff:${formatIp(IPV4, address & 0xffffffffn)}`
  return `${text(words.slice(0, from))}::${text(words.slice(from + length))}`
}

/** One address has one text: what is looked up, or is a key in the kernel, is the address. What is none stays as it is. */
export function canonicalAddress(text: string): string {
  const address = text.includes(':') ? parseIp(text) : undefined
  return address === undefined ? text : formatIp(IPV6, address)
}

export interface IpRange {
  readonly family: IpFamily
  readonly cidr: string
  /** The network's own address. */
  readonly first: bigint
  readonly prefix: number
  /** How many addresses there are, up to what a number holds exactly. */
  readonly size: number
}

export function parseIpRange(cidr: string): IpRange {
  const [address = '', prefixText = '', ...rest] = cidr.split('/')
  const family = familyOf(address)
  const number = parseIp(address)
  const prefix = Number(prefixText)
  if (number === undefined || rest.length > 0 || !/^\d{1,3}$/.test(prefixText) || prefix > family.bits)
    throw new RangeError(`not a range of IP addresses: "${cidr}"`)
  const hostBits = BigInt(family.bits - prefix)
  return {
    family,
    cidr,
    first: (number >> hostBits) << hostBits,
    prefix,
    size: Math.min(2 ** (family.bits - prefix), Number.MAX_SAFE_INTEGER),
  }
}

export function isInRange({ family, first, prefix }: IpRange, address: string): boolean {
  const number = familyOf(address) === family ? parseIp(address) : undefined
  const hostBits = BigInt(family.bits - prefix)
  return number !== undefined && number >> hostBits === first >> hostBits
}

/** The address `offset` places after the first of a range. */
export const addressAt = (range: IpRange, offset: number): string => formatIp(range.family, range.first + BigInt(offset))

/** How many places after the first an address is; undefined for one outside the range. */
export function offsetIn(range: IpRange, address: string): number | undefined {
  if (familyOf(address) !== range.family) return undefined
  const number = parseIp(address)
  if (number === undefined || number < range.first) return undefined
  const offset = number - range.first
  return offset < BigInt(range.size) ? Number(offset) : undefined
}
