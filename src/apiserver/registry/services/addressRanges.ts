/**
 * The ranges that Services get their addresses of: the server's own, and those of ServiceCIDR objects that are ready (upstream's
 * ipallocator.MetaAllocator). Ranges may lie in each other; an address is handed out once, whichever of them it came from.
 */
import { addressAt, familyOf, offsetIn, parseIpRange, type IpFamilyName, type IpRange } from '../../../base/ipFamily.ts'
import { services as serviceResource } from '../../../api/kinds/core/v1.ts'
import { ipaddresses as addressResource, servicecidrs as rangeResource } from '../../../api/kinds/networking/v1.ts'
import { findCondition } from '../../../api/meta.ts'
import { prefixOf } from '../../cache/keys.ts'
import { isOfServices } from './allocatedAddress.ts'
import { holdings } from './holdings.ts'
import { Pool } from './pool.ts'
import type { Service } from '../../../api/kinds/core/v1.ts'
import type { IPAddress, ServiceCIDR } from '../../../api/kinds/networking/v1.ts'
import type { WatchCache } from '../../cache/watchCache.ts'

const STATIC_ADDRESSES = { min: 16, max: 256, divisor: 16 }
/** Ranges that overlap may have an address that is on its way elsewhere. */
const PICK_TRIES = 16

function staticAddresses(size: number): number {
  return Math.min(STATIC_ADDRESSES.max, Math.max(STATIC_ADDRESSES.min, Math.floor(size / STATIC_ADDRESSES.divisor)), Math.max(0, size - 2))
}

/** The addresses of one range, those of its family. */
class ServiceRange {
  readonly range: IpRange
  readonly #pool: Pool

  constructor(cidr: string) {
    this.range = parseIpRange(cidr)
    // The network's own address, and with IPv4 the one for all of them, are nobody's.
    const usable = this.range.size - (this.range.family.name === 'IPv4' ? 2 : 1)
    this.#pool = new Pool({ first: 1, size: usable, staticSize: staticAddresses(usable) })
  }

  /** Where an address stands; undefined for one that is not given out here. */
  #offset(address: string): number | undefined {
    const offset = offsetIn(this.range, address)
    return offset !== undefined && this.#pool.contains(offset) ? offset : undefined
  }

  contains(address: string): boolean {
    return this.#offset(address) !== undefined
  }

  pick(): string | undefined {
    const offset = this.#pool.pick()
    return offset === undefined ? undefined : addressAt(this.range, offset)
  }

  reserve(address: string): boolean {
    const offset = this.#offset(address)
    return offset !== undefined && this.#pool.reserve(offset)
  }

  release(address: string): void {
    const offset = this.#offset(address)
    if (offset !== undefined) this.#pool.release(offset)
  }

  hold(address: string, key: string): void {
    const offset = this.#offset(address)
    if (offset !== undefined) this.#pool.hold(offset, key)
  }

  letGo(address: string, key: string): void {
    const offset = this.#offset(address)
    if (offset !== undefined) this.#pool.letGo(offset, key)
  }
}

/** The controller has yet to say something of it, or has said that it may be used. */
function isReady({ metadata, status }: ServiceCIDR): boolean {
  return metadata.deletionTimestamp === undefined && findCondition(status?.conditions, 'Ready')?.status !== 'False'
}

interface AddedRange {
  range: ServiceRange
  /** Keys of the ServiceCIDRs that have it, and whether each may be used. */
  owners: Map<string, boolean>
}

export class AddressRanges {
  /** By family, the cluster's first one first. */
  readonly #own: ReadonlyMap<IpFamilyName, ServiceRange>
  readonly #added = new Map<string, AddedRange>()
  /** Who has which address: a range that is added must know. */
  readonly #held = new Map<string, Set<string>>()

  /** One range, or one of each family. */
  constructor(cidrs: readonly string[]) {
    const ranges = cidrs.map((cidr) => new ServiceRange(cidr))
    this.#own = new Map(ranges.map((one) => [one.range.family.name, one]))
    if (this.#own.size !== ranges.length) throw new RangeError(`two service ranges of one family: ${cidrs.join(',')}`)
  }

  get families(): IpFamilyName[] {
    return [...this.#own.keys()]
  }

  /** The server's own, in the order of the families. */
  get cidrs(): string[] {
    return [...this.#own.values()].map(({ range }) => range.cidr)
  }

  get firstAddress(): string {
    const [first] = this.#own.values()
    if (!first) throw new RangeError('there is no service range')
    return addressAt(first.range, 1)
  }

  follow(cache: WatchCache): void {
    cache.onChange(prefixOf(serviceResource, false), ({ key, before, after }) => {
      const had = holdings(before as Service | undefined).addresses
      const has = holdings(after as Service | undefined).addresses
      for (const address of has) this.#hold(address, key)
      for (const address of had) if (!has.includes(address)) this.#letGo(address, key)
    })
    // Others take addresses with objects of their own; those of Services follow them.
    cache.onChange(prefixOf(addressResource, false), ({ key, before, after }) => {
      const { metadata } = (after ?? before) as IPAddress
      if (after && !isOfServices(after as IPAddress)) this.#hold(metadata.name, key)
      else this.#letGo(metadata.name, key)
    })
    cache.onChange(prefixOf(rangeResource, false), ({ key, before, after }) => {
      const next = after as ServiceCIDR | undefined
      const has = next?.spec?.cidrs ?? []
      for (const cidr of (before as ServiceCIDR | undefined)?.spec?.cidrs ?? []) if (!has.includes(cidr)) this.#remove(cidr, key)
      for (const cidr of has) if (next) this.#add(cidr, key, isReady(next))
    })
  }

  #hold(address: string, key: string): void {
    this.#held.set(address, (this.#held.get(address) ?? new Set()).add(key))
    for (const range of this.#containing(address)) range.hold(address, key)
  }

  #letGo(address: string, key: string): void {
    const holders = this.#held.get(address)
    if (holders?.delete(key) && holders.size === 0) this.#held.delete(address)
    for (const range of this.#containing(address)) range.letGo(address, key)
  }

  #add(cidr: string, owner: string, ready: boolean): void {
    if (this.cidrs.includes(cidr)) return
    let added = this.#added.get(cidr)
    if (!added) {
      added = { range: new ServiceRange(cidr), owners: new Map() }
      this.#added.set(cidr, added)
      for (const [address, keys] of this.#held) for (const key of keys) added.range.hold(address, key)
    }
    added.owners.set(owner, ready)
  }

  #remove(cidr: string, owner: string): void {
    const added = this.#added.get(cidr)
    added?.owners.delete(owner)
    if (added?.owners.size === 0) this.#added.delete(cidr)
  }

  #containing(address: string): ServiceRange[] {
    const all = [...this.#own.values(), ...[...this.#added.values()].map(({ range }) => range)]
    return all.filter((range) => range.contains(address))
  }

  /** Those that addresses may come from now; the server's own is asked first. */
  #usable(family: IpFamilyName): ServiceRange[] {
    const own = this.#own.get(family)
    const added = [...this.#added.values()].filter(
      ({ range, owners }) => range.range.family.name === family && [...owners.values()].some(Boolean),
    )
    return [...(own ? [own] : []), ...added.map(({ range }) => range)]
  }

  has(family: IpFamilyName): boolean {
    return this.#own.has(family)
  }

  /** Whether an address may be asked for. */
  isOffered(address: string): boolean {
    return this.#usable(familyOf(address).name).some((range) => range.contains(address))
  }

  /** A free address, reserved; undefined when there is none left. */
  pick(family: IpFamilyName): string | undefined {
    for (const range of this.#usable(family)) {
      for (let tries = 0; tries < PICK_TRIES; tries++) {
        const address = range.pick()
        if (address === undefined) break
        if (
          this.#reserveIn(
            this.#containing(address).filter((other) => other !== range),
            address,
          )
        )
          return address
        range.release(address)
      }
    }
    return undefined
  }

  /** False when somebody else has it. */
  reserve(address: string): boolean {
    return this.#reserveIn(this.#containing(address), address)
  }

  #reserveIn(ranges: readonly ServiceRange[], address: string): boolean {
    const done: ServiceRange[] = []
    for (const range of ranges) {
      if (range.reserve(address)) done.push(range)
      else {
        for (const reserved of done) reserved.release(address)
        return false
      }
    }
    return true
  }

  release(address: string): void {
    for (const range of this.#containing(address)) range.release(address)
  }
}
