/** Cluster addresses and node ports of Services (pkg/registry/core/service): who holds which is read from the cache. */
import { invalid } from '../../../api/validation/fieldErrors.ts'
import { newInternalError, newInvalid } from '../../../api/status.ts'
import { services as serviceResource } from '../../../api/kinds/core/v1.ts'
import { prefixOf } from '../../cache/keys.ts'
import { formatAddress, parseAddress, parseRange } from './addresses.ts'
import { holdings } from './holdings.ts'
import { Pool } from './pool.ts'
import type { FieldError } from '../../../api/status.ts'
import type { Service } from '../../../api/kinds/core/v1.ts'
import type { WatchCache } from '../../cache/watchCache.ts'
import type { AddressRange } from './addresses.ts'

const WITH_NODE_PORTS = new Set(['NodePort', 'LoadBalancer'])
/** Ports at the lower end that are left to those who choose theirs. */
const STATIC_PORTS_LIMIT = 128
const STATIC_ADDRESSES = { min: 16, max: 256, divisor: 16 }

export interface PortRange {
  first: number
  last: number
}

function staticAddresses(size: number): number {
  return Math.min(STATIC_ADDRESSES.max, Math.max(STATIC_ADDRESSES.min, Math.floor(size / STATIC_ADDRESSES.divisor)), Math.max(0, size - 2))
}

function staticPorts(size: number): number {
  return Math.min(STATIC_PORTS_LIMIT, Math.max(16, Math.floor(size / 32)), size)
}

export class Services {
  readonly #range: AddressRange
  readonly #ports: PortRange
  readonly #addressPool: Pool
  readonly #portPool: Pool

  constructor(options: { serviceClusterIpRange: string; nodePortRange: PortRange }) {
    this.#range = parseRange(options.serviceClusterIpRange)
    this.#ports = options.nodePortRange
    const usable = this.#range.size - 2
    this.#addressPool = new Pool({ first: this.#range.base + 1, size: usable, staticSize: staticAddresses(usable) })
    const ports = this.#ports.last - this.#ports.first + 1
    this.#portPool = new Pool({ first: this.#ports.first, size: ports, staticSize: staticPorts(ports) })
  }

  /** The address of the `kubernetes` service. */
  get firstAddress(): string {
    return formatAddress(this.#range.base + 1)
  }

  get cidr(): string {
    return this.#range.cidr
  }

  follow(cache: WatchCache): void {
    cache.onChange(prefixOf(serviceResource, false), ({ key, before, after }) => {
      const had = holdings(before as Service | undefined)
      const has = holdings(after as Service | undefined)
      for (const address of has.addresses) this.#addressPool.hold(address, key)
      for (const port of has.ports) this.#portPool.hold(port, key)
      for (const address of had.addresses) if (!has.addresses.includes(address)) this.#addressPool.letGo(address, key)
      for (const port of had.ports) if (!has.ports.includes(port)) this.#portPool.letGo(port, key)
    })
  }

  /** Gives the service the addresses and ports that it needs, or takes those it asks for; the result gives them back. */
  allocate(next: Service, old: Service | undefined): () => void {
    const taken: (() => void)[] = []
    const giveBack = (): void => taken.forEach((release) => release())
    try {
      this.#allocateAddress(next, old, taken)
      this.#allocatePorts(next, old, taken)
    } catch (error) {
      giveBack()
      throw error
    }
    return giveBack
  }

  #allocateAddress(next: Service, old: Service | undefined, taken: (() => void)[]): void {
    const { spec } = next
    if (spec.type === 'ExternalName') return
    const asked = spec.clusterIPs?.[0] ?? spec.clusterIP
    const had = old?.spec.type === 'ExternalName' ? undefined : old?.spec.clusterIP
    if (asked === 'None' || (asked && asked === had)) return
    if (!asked) {
      const address = this.#addressPool.pick()
      if (address === undefined) throw newInternalError('failed to allocate a serviceIP: range is full')
      taken.push(() => this.#addressPool.release(address))
      spec.clusterIP = formatAddress(address)
      spec.clusterIPs = [spec.clusterIP]
      return
    }
    const address = parseAddress(asked)
    if (address === undefined) return
    const refuse = (why: string): never => {
      throw invalidService(next, [invalid('spec.clusterIPs', [asked], why)])
    }
    if (!this.#addressPool.contains(address)) {
      refuse(
        `failed to allocate IP ${asked}: the provided IP (${asked}) is not in the valid range. The range of valid IPs is ${this.#range.cidr}`,
      )
    }
    if (!this.#addressPool.reserve(address)) refuse(`failed to allocate IP ${asked}: provided IP is already allocated`)
    taken.push(() => this.#addressPool.release(address))
  }

  #allocatePorts(next: Service, old: Service | undefined, taken: (() => void)[]): void {
    const { spec } = next
    const needs = spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
    if (!WITH_NODE_PORTS.has(spec.type ?? '')) return
    const had = new Set(old && WITH_NODE_PORTS.has(old.spec.type ?? '') ? holdings(old).ports : [])
    const seen = new Map<number, Set<string>>()
    const take = (port: number, field: string): void => {
      if (!this.#portPool.contains(port)) {
        const range = `${this.#ports.first}-${this.#ports.last}`
        throw invalidService(next, [invalid(field, port, `provided port is not in the valid range. The range of valid ports is ${range}`)])
      }
      if (!this.#portPool.reserve(port)) throw invalidService(next, [invalid(field, port, 'provided port is already allocated')])
      taken.push(() => this.#portPool.release(port))
    }
    for (const [i, port] of (spec.ports ?? []).entries()) {
      const field = `spec.ports[${i}].nodePort`
      const protocol = port.protocol ?? 'TCP'
      if (port.nodePort) {
        if (!had.has(port.nodePort) && !seen.has(port.nodePort)) take(port.nodePort, field)
        seen.set(port.nodePort, (seen.get(port.nodePort) ?? new Set()).add(protocol))
      } else if (needs) {
        const twin = spec.ports?.find(
          (other) =>
            other !== port &&
            other.nodePort &&
            other.port === port.port &&
            !seen.get(other.nodePort)?.has(protocol) &&
            other.protocol !== port.protocol,
        )
        const value = twin?.nodePort ?? this.#portPool.pick()
        if (value === undefined) throw newInternalError('failed to allocate a nodePort: range is full')
        if (!twin) taken.push(() => this.#portPool.release(value))
        port.nodePort = value
        seen.set(value, (seen.get(value) ?? new Set()).add(protocol))
      }
    }
    this.#allocateHealthCheckPort(next, had, take, taken)
  }

  #allocateHealthCheckPort(
    next: Service,
    had: ReadonlySet<number>,
    take: (port: number, field: string) => void,
    taken: (() => void)[],
  ): void {
    const { spec } = next
    if (spec.type !== 'LoadBalancer' || spec.externalTrafficPolicy !== 'Local') return
    if (spec.healthCheckNodePort) {
      if (!had.has(spec.healthCheckNodePort)) take(spec.healthCheckNodePort, 'spec.healthCheckNodePort')
      return
    }
    const value = this.#portPool.pick()
    if (value === undefined) throw newInternalError('failed to allocate a nodePort: range is full')
    taken.push(() => this.#portPool.release(value))
    spec.healthCheckNodePort = value
  }
}

function invalidService(service: Service, errors: FieldError[]): Error {
  return newInvalid({ group: '', kind: 'Service' }, service.metadata.name, errors)
}
