/** Address ranges for our bridges that collide with nothing the host already routes. */
import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'

export interface Range {
  /** First address as an unsigned number. */
  first: number
  last: number
}

/** Undefined for what is not an IPv4 range. */
export function parseCidr(cidr: string): Range | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr)
  if (!match) return undefined
  const [a, b, c, d, bits] = match.slice(1).map(Number) as [number, number, number, number, number]
  const size = 2 ** (32 - bits)
  const address = ((a * 256 + b) * 256 + c) * 256 + d
  const first = address - (address % size)
  return { first, last: first + size - 1 }
}

export function overlaps(a: Range, b: Range): boolean {
  return a.first <= b.last && b.first <= a.last
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}

/** The address `index` places after the first of a range. */
export function addressIn(cidr: string, index: number): string {
  const range = parseCidr(cidr)
  if (!range || range.first + index > range.last) throw new RangeError(`${cidr} has no address ${index}`)
  return formatAddress(range.first + index)
}

/** In a corner of 192.168/16 that home routers, minikube (49, 58, …), kind and Docker's default pools leave alone. */
export const BRIDGE_SUBNETS = ['192.168.200.0/24', '10.222.200.0/24', '172.26.200.0/24', '198.18.200.0/24']
export const NETWORK_SUBNETS = [
  ...Array.from({ length: 16 }, (_, index) => `192.168.${201 + index}.0/24`),
  ...Array.from({ length: 16 }, (_, index) => `10.222.${index}.0/24`),
  ...Array.from({ length: 8 }, (_, index) => `198.18.${index}.0/24`),
]

export function freeSubnets(candidates: readonly string[], used: readonly Range[]): string[] {
  return candidates.filter((candidate) => {
    const range = parseCidr(candidate)
    return range !== undefined && !used.some((other) => overlaps(range, other))
  })
}

/** /proc/net/route has addresses as little-endian hexadecimal; the default route (mask 0) collides with nothing. */
export function parseRoutes(text: string): Range[] {
  const swap = (hex: string): number => Number.parseInt(hex.match(/../g)?.toReversed().join('') ?? '0', 16)
  return text
    .trim()
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, destination = '', , , , , , mask = ''] = line.split(/\s+/)
      const size = 2 ** 32 - swap(mask)
      return mask === '' || size === 2 ** 32 ? [] : [{ first: swap(destination), last: swap(destination) + size - 1 }]
    })
}

/** What this host's interfaces and routes cover. */
export async function hostRanges(): Promise<Range[]> {
  const interfaces = Object.values(networkInterfaces())
    .flat()
    .flatMap((one) => (one?.family === 'IPv4' && one.cidr ? [parseCidr(one.cidr)] : []))
  const routes = await readFile('/proc/net/route', 'utf8').then(parseRoutes, () => [])
  return [...interfaces.filter((range) => range !== undefined), ...routes]
}
