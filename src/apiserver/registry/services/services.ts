/** Cluster addresses and node ports of Services (pkg/registry/core/service): who holds which is read from the cache. */
import { invalid, invalidAll, required } from '../../../api/validation/fieldErrors.ts'
import { isPathSegmentName } from '../../../api/validation/names.ts'
import { newInternalError, newInvalid } from '../../../api/status.ts'
import { services as serviceResource } from '../../../api/kinds/core/v1.ts'
import { prefixOf } from '../../cache/keys.ts'
import { AddressRanges } from './addressRanges.ts'
import { initFamilies } from './families.ts'
import { holdings } from './holdings.ts'
import { PortOperation, allocateNodePorts, type PortRange } from './nodePorts.ts'
import { Pool } from './pool.ts'
import type { FieldError } from '../../../api/status.ts'
import type { Service } from '../../../api/kinds/core/v1.ts'
import { familyOf } from '../../../base/ipFamily.ts'
import type { IpFamilyName } from '../../../base/ipFamily.ts'
import type { WatchCache } from '../../cache/watchCache.ts'

/** Ports at the lower end that are left to those who choose theirs. */
const STATIC_PORTS_LIMIT = 128

function staticPorts(size: number): number {
  return Math.min(STATIC_PORTS_LIMIT, Math.max(16, Math.floor(size / 32)), size)
}

export class Services {
  readonly #ranges: AddressRanges
  readonly #ports: PortRange
  readonly #portPool: Pool

  /** One range, or one of each family separated by a comma (as kube-apiserver's flag has it): the first is the default family's. */
  constructor(options: { serviceClusterIpRange: string; nodePortRange: PortRange }) {
    this.#ranges = new AddressRanges(options.serviceClusterIpRange.split(',').map((cidr) => cidr.trim()))
    this.#ports = options.nodePortRange
    const ports = this.#ports.last - this.#ports.first + 1
    this.#portPool = new Pool({ first: this.#ports.first, size: ports, staticSize: staticPorts(ports) })
  }

  /** The families that services may have; the default one first. */
  get families(): IpFamilyName[] {
    return this.#ranges.families
  }

  /** The address of the `kubernetes` service. */
  get firstAddress(): string {
    return this.#ranges.firstAddress
  }

  /** In the order of the families. */
  get cidrs(): string[] {
    return this.#ranges.cidrs
  }

  follow(cache: WatchCache): void {
    this.#ranges.follow(cache)
    cache.onChange(prefixOf(serviceResource, false), ({ key, before, after }) => {
      const had = holdings(before as Service | undefined)
      const has = holdings(after as Service | undefined)
      for (const port of has.ports) this.#portPool.hold(port, key)
      for (const port of had.ports) if (!has.ports.includes(port)) this.#portPool.letGo(port, key)
    })
  }

  /** Fills in which families the service has; throws what is invalid about them. */
  initFamilies(next: Service, old: Service | undefined): void {
    initFamilies(next, old, this.families)
  }

  /**
   * Gives the service the addresses and ports that it needs, or takes those it asks for; the result gives them back. A dry run looks
   * whether those are free and keeps nothing.
   */
  allocate(next: Service, old: Service | undefined, { dryRun = false } = {}): () => void {
    const taken: (() => void)[] = []
    const giveBack = (): void => taken.splice(0).forEach((release) => release())
    try {
      this.#allocateAddresses(next, old, taken, dryRun)
      const ports = new PortOperation(this.#portPool, this.#ports, dryRun)
      taken.push(() => ports.undo())
      allocateNodePorts(next, old, ports)
      if (dryRun) giveBack()
    } catch (error) {
      giveBack()
      throw error
    }
    return giveBack
  }

  #allocateAddresses(next: Service, old: Service | undefined, taken: (() => void)[], dryRun: boolean): void {
    const { spec } = next
    if (spec.type === 'ExternalName' || spec.clusterIPs?.[0] === 'None' || spec.clusterIP === 'None') return
    const had = old?.spec.type === 'ExternalName' ? [] : (old?.spec.clusterIPs ?? [])
    const ips = [...(spec.clusterIPs ?? [])]
    for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
      const name = family as IpFamilyName
      const asked = ips[i]
      // Another address than before is for validation to refuse.
      if (!this.#ranges.has(name) || (asked && (had.includes(asked) || had[i]))) continue
      const address = asked ? this.#take(next, asked, dryRun) : dryRun ? this.#networkOf(name) : this.#ranges.pick(name)
      if (address === undefined) throw newInternalError('failed to allocate a serviceIP: range is full')
      if (!dryRun) {
        taken.push(() => this.#ranges.release(address))
        checkParent(next, address, asked)
      }
      ips[i] = address
    }
    if (ips[0] === undefined) return
    spec.clusterIPs = ips
    spec.clusterIP = ips[0]
  }

  /** What a dry run shows for an address that nobody has chosen. */
  #networkOf(family: IpFamilyName): string | undefined {
    return this.#ranges.cidrs[this.#ranges.families.indexOf(family)]?.split('/')[0]
  }

  /** A dry run asks the default range alone. */
  #outOfRange(asked: string): string {
    const range = this.#ranges.cidrs[this.#ranges.families.indexOf(familyOf(asked).name)] ?? ''
    return `the provided IP (${asked}) is not in the valid range. The range of valid IPs is ${range}`
  }

  /** An address that the client names. */
  #take(service: Service, asked: string, dryRun: boolean): string {
    if (!this.#ranges.isOffered(asked)) throw notAllocated(service, asked, dryRun ? this.#outOfRange(asked) : MISMATCH)
    if (!dryRun && !this.#ranges.reserve(asked)) throw notAllocated(service, asked, 'provided IP is already allocated')
    return asked
  }
}

const MISMATCH = 'the provided network does not match the current range'

function notAllocated(service: Service, asked: string | undefined, why: string): Error {
  const detail = asked ? `failed to allocate IP ${asked}: ${why}` : `failed to allocate IP: ${why}`
  return invalidService(service, [invalid('spec.clusterIPs', service.spec.clusterIPs ?? [asked ?? ''], detail)])
}

/** The IPAddress of an allocated address refers to the service by its name. */
function checkParent(service: Service, address: string, asked: string | undefined): void {
  const { name } = service.metadata
  const field = 'spec.parentRef.name'
  const errors = name ? invalidAll(field, name, isPathSegmentName(name, false)) : [required(field)]
  if (errors.length === 0) return
  throw notAllocated(service, asked, newInvalid({ group: 'networking.k8s.io', kind: 'IPAddress' }, address, errors).message)
}

function invalidService(service: Service, errors: FieldError[]): Error {
  return newInvalid({ group: '', kind: 'Service' }, service.metadata.name ?? '', errors)
}
