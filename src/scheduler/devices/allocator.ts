/**
 * Allocates devices of one node to claims (structured parameters of dynamic resource allocation): purely, by trying devices in
 * their order and going back where a choice leads nowhere. A device is looked at only when its turn comes: an expression that
 * fails on one behind those that were chosen does not matter.
 */
import type { Node } from '../../api/kinds/core/v1.ts'
import type {
  AllocationResult,
  DeviceClass,
  DeviceRequest,
  DeviceSelector,
  DeviceSubRequest,
  DeviceToleration,
  ExactDeviceRequest,
  ResourceClaim,
} from '../../api/kinds/resource/v1.ts'
import { quantityValue } from '../../api/quantity.ts'
import { keyOf } from '../../api/resource.ts'
import { tolerates } from '../../api/tolerations.ts'
import { allocationOf } from './allocation.ts'
import { consumedCapacity, fitsCapacity, type Used } from './capacity.ts'
import type { Choice, Wish } from './choices.ts'
import { constraintKeeps } from './constraints.ts'
import type { Pool, PoolDevice } from './pools.ts'

/** What one claim may be given (resource.k8s.io's limit). */
const DEVICES_PER_CLAIM_MAX = 32
/** Choices tried for one node before the attempt is given up. */
const STEPS_MAX = 100_000

/** What is taken already, by device id. */
export interface Taken {
  devices: ReadonlySet<string>
  /** Of devices that are shared. */
  capacity: ReadonlyMap<string, Used>
}

export interface AllocatorOptions {
  node: Node
  pools: readonly Pool[]
  taken: Taken
  classes: { get(name: string): DeviceClass | undefined }
  /** Whether a device is what the selector asks for. @throws when its expression fails */
  selects(selector: DeviceSelector, device: PoolDevice): boolean
}

/** The node cannot have the claims; others may. Any other error is one for all nodes. */
export class NodeAllocationError extends Error {
  override readonly name = 'NodeAllocationError'
}

const isShared = ({ device }: PoolDevice): boolean => device.allowMultipleAllocations === true

const isTolerated = ({ device }: PoolDevice, tolerations: readonly DeviceToleration[] = []): boolean =>
  (device.taints ?? []).every(({ key, value, effect }) => {
    if (effect !== 'NoSchedule' && effect !== 'NoExecute') return true
    return tolerations.some((toleration) => tolerates(toleration, { key, effect, ...(value !== undefined && { value }) }))
  })

class Search {
  readonly #options: AllocatorOptions
  readonly #claims: readonly ResourceClaim[]
  readonly #devices: readonly PoolDevice[]
  readonly #chosen: Choice[] = []
  readonly #selected = new Map<string, boolean>()
  #steps = 0

  constructor(claims: readonly ResourceClaim[], options: AllocatorOptions) {
    this.#claims = claims
    this.#options = options
    this.#devices = options.pools.flatMap(({ devices }) => devices)
  }

  /** The choices for all claims; undefined where there are none. @throws what is wrong with the claims */
  run(): readonly Choice[] | undefined {
    const alternatives = this.#claims.flatMap((claim, i) => {
      const requests = (claim.spec.devices?.requests ?? []).map((request) => this.#alternatives(i, request))
      const least = requests.reduce((sum, wishes) => sum + Math.min(...wishes.map((wish) => this.#countOf(wish))), 0)
      if (least > DEVICES_PER_CLAIM_MAX)
        throw new Error(`claim ${keyOf(claim)}: number of requested devices ${least} exceeds the claim limit of ${DEVICES_PER_CLAIM_MAX}`)
      return requests
    })
    if (this.#requests(alternatives, 0)) return this.#chosen
    if (this.#options.pools.some(({ problem }) => problem === 'invalid'))
      throw new NodeAllocationError('invalid resource pools were encountered')
    return undefined
  }

  #countOf({ all, request }: Wish): number {
    return all?.length ?? request.count ?? 1
  }

  #alternatives(claim: number, { name, exactly, firstAvailable = [] }: DeviceRequest): Wish[] {
    const wish = (request: ExactDeviceRequest | DeviceSubRequest, own: string, prefix: string, adminAccess: boolean): Wish => {
      const deviceClass = this.#options.classes.get(request.deviceClassName)
      const made: Wish = { claim, name: prefix + own, request, deviceClass, adminAccess }
      return request.allocationMode === 'All' ? { ...made, all: this.#allFor(made, own) } : made
    }
    if (exactly) return [wish(exactly, name, '', exactly.adminAccess === true)]
    return firstAvailable.map((request) => wish(request, request.name, `${name}/`, false))
  }

  #allFor(wish: Wish, ownName: string): PoolDevice[] {
    const whose = `claim ${keyOf(this.#claims[wish.claim] as ResourceClaim)}, request ${ownName}`
    return this.#options.pools.flatMap(({ driver, name, problem, devices }) => {
      if (problem) throw new Error(`${whose}: asks for all devices, but resource pool ${driver}/${name} is currently ${problem}`)
      return devices.filter((device) => this.#isWanted(wish, device) && this.#hasCapacity(wish, device))
    })
  }

  #requests(requests: readonly (readonly Wish[])[], at: number): boolean {
    const wishes = requests[at]
    if (!wishes) return true
    const goOn = (): boolean => this.#requests(requests, at + 1)
    return wishes.some((wish) => (wish.all ? this.#all(wish, wish.all, goOn) : this.#some(wish, this.#countOf(wish), 0, goOn)))
  }

  #isWanted(wish: Wish, device: PoolDevice): boolean {
    const key = `${wish.claim} ${wish.name} ${device.id}`
    let known = this.#selected.get(key)
    if (known === undefined) {
      const { deviceClass, request } = wish
      known =
        this.#select(`class ${deviceClass?.metadata.name}`, deviceClass?.spec.selectors, device) &&
        this.#select(`claim ${keyOf(this.#claims[wish.claim] as ResourceClaim)}`, request.selectors, device)
      this.#selected.set(key, known)
    }
    return known
  }

  #select(whose: string, selectors: readonly DeviceSelector[] = [], device: PoolDevice): boolean {
    return selectors.every((selector, i) => {
      try {
        return this.#options.selects(selector, device)
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause)
        throw new Error(`${whose}: selector #${i}: CEL runtime error: ${why}`, { cause })
      }
    })
  }

  #all(wish: Wish, devices: readonly PoolDevice[], goOn: () => boolean): boolean {
    if (devices.length === 0) return false
    const before = this.#chosen.length
    if (devices.every((device) => this.#choose(wish, device, true)) && goOn()) return true
    this.#chosen.length = before
    return false
  }

  #some(wish: Wish, count: number, from: number, goOn: () => boolean): boolean {
    if (count === 0) return goOn()
    for (let i = from; i < this.#devices.length; i++) {
      if (++this.#steps > STEPS_MAX) throw new Error(`node ${this.#options.node.metadata.name}: timed out trying to allocate devices`)
      const device = this.#devices[i] as PoolDevice
      if (!this.#isFree(wish, device) || !this.#isWanted(wish, device)) continue
      const before = this.#chosen.length
      if (!this.#choose(wish, device, false)) continue
      if (this.#some(wish, count - 1, i + 1, goOn)) return true
      this.#chosen.length = before
    }
    return false
  }

  /** @param isMust no other device would do */
  #choose(wish: Wish, device: PoolDevice, isMust: boolean): boolean {
    const ofClaim = this.#chosen.filter((choice) => choice.wish.claim === wish.claim)
    if (ofClaim.length >= DEVICES_PER_CLAIM_MAX || !this.#isFree(wish, device)) return false
    if (!this.#hasCounters(device) || !isTolerated(device, wish.request.tolerations)) return false
    const claim = this.#claims[wish.claim] as ResourceClaim
    const isKept = (claim.spec.devices?.constraints ?? []).every((constraint) => constraintKeeps(constraint, ofClaim, wish, device))
    if (!isKept && isMust) {
      const whose = `claim ${keyOf(claim)}, request ${wish.name.split('/').at(-1)}`
      throw new Error(`${whose}: cannot add device ${device.id} because a claim constraint would not be satisfied`)
    }
    if (!isKept || !this.#hasCapacity(wish, device)) return false
    const consumed = isShared(device) ? consumedCapacity(device.device, wish.request.capacity?.requests) : undefined
    this.#chosen.push({ wish, device, consumed })
    return true
  }

  /** Administrators have what others have, but nothing twice. */
  #isFree({ adminAccess, claim }: Wish, device: PoolDevice): boolean {
    const { id } = device
    const isChosen = (choice: Choice): boolean => choice.device.id === id && !isShared(device)
    if (adminAccess) return !this.#chosen.some((choice) => isChosen(choice) && choice.wish.claim === claim)
    return !this.#options.taken.devices.has(id) && !this.#chosen.some(isChosen)
  }

  #hasCapacity({ request }: Wish, { id, device }: PoolDevice): boolean {
    const consumed = consumedCapacity(device, request.capacity?.requests)
    if (!consumed) return false
    const used = new Map(this.#options.taken.capacity.get(id))
    for (const choice of this.#chosen)
      if (choice.device.id === id)
        for (const [name, amount] of choice.consumed ?? []) used.set(name, (used.get(name) ?? 0) + quantityValue(amount))
    return fitsCapacity(device, used, consumed)
  }

  /** Partitions of one thing share counters: what allocated and chosen partitions use is gone for this one. */
  #hasCounters(wanted: PoolDevice): boolean {
    const consumes = wanted.device.consumesCounters ?? []
    if (consumes.length === 0) return true
    const isTaken = (id: string): boolean =>
      this.#options.taken.devices.has(id) || this.#options.taken.capacity.has(id) || this.#chosen.some(({ device }) => device.id === id)
    // Of a device that is shared the first user pays.
    if (isShared(wanted) && isTaken(wanted.id)) return true
    const pool = this.#options.pools.find(({ driver, name }) => driver === wanted.driver && name === wanted.pool)
    const inUse = [...(pool?.consumers ?? []).filter(({ id }) => isTaken(id)).flatMap((consumer) => consumer.consumes), ...consumes]
    return consumes.every(({ counterSet, counters }) => {
      const set = pool?.counterSets.find(({ name }) => name === counterSet)
      return Object.keys(counters).every((counter) => {
        const used = inUse.reduce((sum, one) => {
          const own = one.counterSet === counterSet ? one.counters[counter] : undefined
          return sum + (own ? quantityValue(own.value) : 0)
        }, 0)
        return used <= quantityValue(set?.counters[counter]?.value ?? '0')
      })
    })
  }
}

/** An allocation for each claim, all on the node; undefined where there is none. @throws NodeAllocationError, or what is wrong on any node */
export function allocate(claims: readonly ResourceClaim[], options: AllocatorOptions): AllocationResult[] | undefined {
  const chosen = new Search(claims, options).run()
  return (
    chosen &&
    claims.map((claim, i) =>
      allocationOf(
        claim,
        chosen.filter(({ wish }) => wish.claim === i),
        options.node,
      ),
    )
  )
}
