/** IPv4 ranges and the addresses of a pod range, handed out least recently used first. Pure, but for the pool's own state. */

export interface Ipv4Range {
  first: number
  /** 0…32 */
  prefix: number
}

export function ipv4ToNumber(address: string): number {
  const parts = address.split('.')
  const octets = parts.map(Number)
  if (parts.length !== 4 || octets.some((o, i) => !Number.isInteger(o) || o < 0 || o > 255 || String(o) !== parts[i])) {
    throw new RangeError(`not an IPv4 address: "${address}"`)
  }
  return octets.reduce((number, octet) => number * 256 + octet, 0)
}

export function ipv4FromNumber(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.')
}

export function parseIpv4Range(cidr: string): Ipv4Range {
  const [address = '', prefixText = ''] = cidr.split('/')
  const prefix = Number(prefixText)
  if (!/^\d{1,2}$/.test(prefixText) || prefix > 32) throw new RangeError(`not an IPv4 range: "${cidr}"`)
  const number = ipv4ToNumber(address)
  return { first: number - (number % 2 ** (32 - prefix)), prefix }
}

export class AddressesExhaustedError extends Error {
  override readonly name = 'AddressesExhaustedError'
}

/**
 * An address that was given back is handed out again only after every other free one: a connection that still names the old
 * pod then meets nobody rather than a stranger. The range's first and last address stay unused.
 */
export class AddressPool {
  readonly #cidr: string
  readonly #first: number
  readonly #last: number
  readonly #taken = new Set<number>()
  /** Given back, oldest first; a Set keeps that order. */
  readonly #givenBack = new Set<number>()
  /** Everything from here to the last was never handed out, but for what `take` took. */
  #untouched: number

  constructor(cidr: string) {
    const range = parseIpv4Range(cidr)
    this.#cidr = cidr
    this.#first = range.first + 1
    this.#last = range.first + 2 ** (32 - range.prefix) - 2
    this.#untouched = this.#first
  }

  allocate(): string {
    while (this.#untouched <= this.#last) {
      const number = this.#untouched++
      if (this.#taken.has(number)) continue
      this.#taken.add(number)
      return ipv4FromNumber(number)
    }
    for (const number of this.#givenBack) {
      this.#givenBack.delete(number)
      this.#taken.add(number)
      return ipv4FromNumber(number)
    }
    throw new AddressesExhaustedError(`no addresses available in range set: ${this.#cidr}`)
  }

  /** Marks an address as used, as found in the runtime. False when it is not of this range or taken already. */
  take(address: string): boolean {
    const number = ipv4ToNumber(address)
    if (number < this.#first || number > this.#last || this.#taken.has(number)) return false
    this.#givenBack.delete(number)
    this.#taken.add(number)
    return true
  }

  /** Fine for an address that is free already. */
  release(address: string): void {
    const number = ipv4ToNumber(address)
    if (!this.#taken.delete(number)) return
    if (number < this.#untouched) this.#givenBack.add(number)
  }

  get used(): number {
    return this.#taken.size
  }
}
