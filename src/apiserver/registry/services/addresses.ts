/** IPv4 addresses and ranges as numbers. */

export function parseAddress(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255)) return undefined
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}

export interface AddressRange {
  readonly cidr: string
  /** The network's own address. */
  readonly base: number
  readonly size: number
}

export function parseRange(cidr: string): AddressRange {
  const [address = '', bits = ''] = cidr.split('/')
  const first = parseAddress(address)
  const length = Number(bits)
  if (first === undefined || !/^\d+$/.test(bits) || length > 32) throw new Error(`not an IPv4 range: ${cidr}`)
  const size = 2 ** (32 - length)
  return { cidr, base: Math.floor(first / size) * size, size }
}
