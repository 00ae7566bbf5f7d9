/** The addresses of a range for pods, handed out least recently used first. Pure, but for the pool's own state. */
import { addressAt, offsetIn, parseIpRange, type IpRange } from '../../base/ipFamily.ts'

export class AddressesExhaustedError extends Error {
  override readonly name = 'AddressesExhaustedError'
}

/**
 * An address that was given back is handed out again only after every other free one: a connection that still names the old
 * pod then meets nobody rather than a stranger. The range's first and last address stay unused.
 */
export class AddressPool {
  readonly #range: IpRange
  /** Of the range's addresses, by their places in it. */
  readonly #first = 1
  readonly #last: number
  readonly #taken = new Set<number>()
  /** Given back, oldest first; a Set keeps that order. */
  readonly #givenBack = new Set<number>()
  /** Everything from here to the last was never handed out, but for what `take` took. */
  #untouched: number

  constructor(cidr: string) {
    this.#range = parseIpRange(cidr)
    this.#last = this.#range.size - 2
    this.#untouched = this.#first
  }

  allocate(): string {
    while (this.#untouched <= this.#last) {
      const number = this.#untouched++
      if (this.#taken.has(number)) continue
      this.#taken.add(number)
      return addressAt(this.#range, number)
    }
    for (const number of this.#givenBack) {
      this.#givenBack.delete(number)
      this.#taken.add(number)
      return addressAt(this.#range, number)
    }
    throw new AddressesExhaustedError(`no addresses available in range set: ${this.#range.cidr}`)
  }

  /** Marks an address as used, as found in the runtime. False when it is not of this range or taken already. */
  take(address: string): boolean {
    const number = offsetIn(this.#range, address)
    if (number === undefined || number < this.#first || number > this.#last || this.#taken.has(number)) return false
    this.#givenBack.delete(number)
    this.#taken.add(number)
    return true
  }

  /** Fine for an address that is free already. */
  release(address: string): void {
    const number = offsetIn(this.#range, address)
    if (number === undefined || !this.#taken.delete(number)) return
    if (number < this.#untouched) this.#givenBack.add(number)
  }

  get used(): number {
    return this.#taken.size
  }
}
