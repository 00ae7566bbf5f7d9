/**
 * Allocates devices of one node to claims (structured parameters of dynamic resource allocation): purely, by trying devices in
 * their order and going back where a choice leads nowhere.
 */
import { randomUUID } from 'node:crypto'
import type { Node, NodeSelectorTerm } from '../../api/kinds/core/v1.ts'
import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceAttribute,
  DeviceClass,
  DeviceConstraint,
  DeviceRequest,
  DeviceRequestAllocationResult,
  DeviceSelector,
  DeviceSubRequest,
  DeviceToleration,
  ExactDeviceRequest,
  ResourceClaim,
} from '../../api/kinds/resource/v1.ts'
import { quantityValue } from '../../api/quantity.ts'
import { tolerates } from '../../api/tolerations.ts'
import { capacityTexts, consumedCapacity, fitsCapacity } from './capacity.ts'
import type { Pool, PoolDevice } from './pools.ts'

/** What one claim may be given (resource.k8s.io's limit). */
const DEVICES_PER_CLAIM_MAX = 32
/** Choices tried for one node before it counts as having nothing. */
const STEPS_MAX = 100_000

/** What is taken already, by device id. */
export interface Taken {
  devices: ReadonlySet<string>
  /** Of devices that are shared. */
  capacity: ReadonlyMap<string, ReadonlyMap<string, number>>
}

export interface AllocatorOptions {
  node: Node
  pools: readonly Pool[]
  taken: Taken
  classes: { get(name: string): DeviceClass | undefined }
  /** Whether a device is what the selector asks for. @throws when its expression fails */
  selects(selector: DeviceSelector, device: PoolDevice): boolean
}

/** The node cannot have the claims; others may. */
export class AllocationError extends Error {
  override readonly name = 'AllocationError'
}

/** An expression fails on a device: something is wrong with it, wherever the pod might go. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError'
}

/** One request with one of its alternatives chosen. */
interface Wish {
  claim: number
  /** `request` or `request/alternative`. */
  name: string
  request: ExactDeviceRequest | DeviceSubRequest
  deviceClass: DeviceClass | undefined
  adminAccess: boolean
  isAll: boolean
  count: number
}

interface Choice {
  wish: Wish
  device: PoolDevice
  consumed: ReadonlyMap<string, number> | undefined
}

function attributeOf({ driver, device }: PoolDevice, name: string): string | undefined {
  const attributes = device.attributes ?? {}
  const [domain, short] = name.includes('/') ? (name.split('/') as [string, string]) : [driver, name]
  const value: DeviceAttribute | undefined = attributes[name] ?? (domain === driver ? attributes[short] : undefined)
  if (!value) return undefined
  if (value.string !== undefined) return `string:${value.string}`
  if (value.int !== undefined) return `int:${value.int}`
  if (value.bool !== undefined) return `bool:${value.bool}`
  return value.version === undefined ? undefined : `version:${value.version}`
}

const covers = ({ requests = [] }: { requests?: readonly string[] }, { name }: Wish): boolean =>
  requests.length === 0 || requests.includes(name) || requests.includes(name.split('/')[0] as string)

const isTolerated = ({ device }: PoolDevice, tolerations: readonly DeviceToleration[] = []): boolean =>
  (device.taints ?? []).every(({ key, value, effect }) => {
    if (effect !== 'NoSchedule' && effect !== 'NoExecute') return true
    return tolerations.some((toleration) => tolerates(toleration, { key, effect, ...(value !== undefined && { value }) }))
  })

class Search {
  readonly #options: AllocatorOptions
  readonly #claims: readonly ResourceClaim[]
  readonly #chosen: Choice[] = []
  readonly #capacity = new Map<string, Map<string, number>>()
  readonly #selected = new Map<string, boolean>()
  #steps = 0

  constructor(claims: readonly ResourceClaim[], options: AllocatorOptions) {
    this.#claims = claims
    this.#options = options
  }

  /** The choices for all claims; undefined where there are none. */
  run(): readonly Choice[] | undefined {
    const requests = this.#claims.flatMap((claim, i) => (claim.spec.devices?.requests ?? []).map((request) => ({ claim: i, request })))
    return this.#requests(requests, 0) ? this.#chosen : undefined
  }

  #requests(requests: readonly { claim: number; request: DeviceRequest }[], at: number): boolean {
    const next = requests[at]
    if (!next) return true
    for (const wish of this.#alternatives(next.claim, next.request)) {
      const goOn = (): boolean => this.#requests(requests, at + 1)
      if (wish.isAll ? this.#all(wish, goOn) : this.#some(wish, wish.count, 0, goOn)) return true
    }
    return false
  }

  #alternatives(claim: number, { name, exactly, firstAvailable = [] }: DeviceRequest): Wish[] {
    const wish = (request: ExactDeviceRequest | DeviceSubRequest, fullName: string, adminAccess: boolean): Wish => ({
      claim,
      name: fullName,
      request,
      deviceClass: this.#options.classes.get(request.deviceClassName),
      adminAccess,
      isAll: request.allocationMode === 'All',
      count: request.count ?? 1,
    })
    if (exactly) return [wish(exactly, name, exactly.adminAccess === true)]
    return firstAvailable.map((request) => wish(request, `${name}/${request.name}`, false))
  }

  #devices(wish: Wish): PoolDevice[] {
    const { pools } = this.#options
    if (wish.isAll) {
      const incomplete = pools.find(({ isIncomplete }) => isIncomplete)
      if (incomplete)
        throw new AllocationError(
          `claim ${this.#claims[wish.claim]?.metadata.name}, request ${wish.name}: asks for all devices, but resource pool ${incomplete.driver}/${incomplete.name} is currently being updated`,
        )
    }
    return pools.flatMap((pool) => (pool.isIncomplete ? [] : pool.devices)).filter((device) => this.#isWanted(wish, device))
  }

  #isWanted(wish: Wish, device: PoolDevice): boolean {
    const key = `${wish.claim} ${wish.name} ${device.id}`
    let known = this.#selected.get(key)
    if (known === undefined) {
      const { deviceClass } = wish
      const claim = this.#claims[wish.claim]?.metadata
      known =
        this.#select(`class ${deviceClass?.metadata.name}`, deviceClass?.spec.selectors, device) &&
        this.#select(`claim ${claim?.namespace}/${claim?.name}`, wish.request.selectors, device)
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
        throw new SelectorError(`${whose}: selector #${i}: CEL runtime error: ${why}`, { cause })
      }
    })
  }

  #all(wish: Wish, goOn: () => boolean): boolean {
    const devices = this.#devices(wish)
    if (devices.length === 0) return false
    const before = this.#chosen.length
    if (devices.every((device) => this.#choose(wish, device)) && goOn()) return true
    this.#undoTo(before)
    return false
  }

  #some(wish: Wish, count: number, from: number, goOn: () => boolean): boolean {
    if (count === 0) return goOn()
    const devices = this.#devices(wish)
    for (let i = from; i <= devices.length - 1; i++) {
      if (++this.#steps > STEPS_MAX) return false
      const before = this.#chosen.length
      if (!this.#choose(wish, devices[i] as PoolDevice)) continue
      if (this.#some(wish, count - 1, i + 1, goOn)) return true
      this.#undoTo(before)
    }
    return false
  }

  #choose(wish: Wish, device: PoolDevice): boolean {
    const isShared = device.device.allowMultipleAllocations === true && !wish.adminAccess
    const ofClaim = this.#chosen.filter((choice) => choice.wish.claim === wish.claim)
    if (ofClaim.length >= DEVICES_PER_CLAIM_MAX || !isTolerated(device, wish.request.tolerations)) return false
    const consumed = isShared ? consumedCapacity(device.device, wish.request.capacity?.requests) : undefined
    if (isShared && !consumed) return false
    if (!wish.adminAccess && !(consumed ? this.#hasCapacity(device, consumed) : this.#isFree(device))) return false
    const constraints = this.#claims[wish.claim]?.spec.devices?.constraints ?? []
    if (!constraints.every((constraint) => !covers(constraint, wish) || keeps(constraint, ofClaim, device))) return false
    if (!wish.adminAccess && !this.#hasCounters(device)) return false
    this.#chosen.push({ wish, device, consumed })
    if (consumed) this.#consume(device, consumed, 1)
    return true
  }

  #undoTo(length: number): void {
    while (this.#chosen.length > length) {
      const { device, consumed } = this.#chosen.pop() as Choice
      if (consumed) this.#consume(device, consumed, -1)
    }
  }

  #isFree({ id }: PoolDevice): boolean {
    return !this.#options.taken.devices.has(id) && !this.#chosen.some(({ device, wish }) => device.id === id && !wish.adminAccess)
  }

  #hasCapacity({ id, device }: PoolDevice, consumed: ReadonlyMap<string, number>): boolean {
    const used = new Map(this.#options.taken.capacity.get(id))
    for (const [name, amount] of this.#capacity.get(id) ?? []) used.set(name, (used.get(name) ?? 0) + amount)
    return fitsCapacity(device, used, consumed)
  }

  #consume({ id }: PoolDevice, consumed: ReadonlyMap<string, number>, sign: 1 | -1): void {
    let used = this.#capacity.get(id)
    if (!used) this.#capacity.set(id, (used = new Map()))
    for (const [name, amount] of consumed) used.set(name, (used.get(name) ?? 0) + sign * amount)
  }

  /** Partitions of one thing share counters: what allocated and chosen partitions use is gone for this one. */
  #hasCounters(wanted: PoolDevice): boolean {
    const consumes = wanted.device.consumesCounters ?? []
    if (consumes.length === 0) return true
    const pool = this.#options.pools.find(({ driver, name }) => driver === wanted.driver && name === wanted.pool)
    if (!pool) return false
    const inUse = pool.devices.filter(
      ({ id }) => this.#options.taken.devices.has(id) || this.#chosen.some(({ device }) => device.id === id),
    )
    return consumes.every(({ counterSet, counters }) => {
      const set = pool.counterSets.find(({ name }) => name === counterSet)
      return Object.entries(counters).every(([counter, { value }]) => {
        const used = inUse.reduce((sum, { device }) => {
          const own = device.consumesCounters?.find((one) => one.counterSet === counterSet)?.counters[counter]
          return sum + (own ? quantityValue(own.value) : 0)
        }, 0)
        return used + quantityValue(value) <= quantityValue(set?.counters[counter]?.value ?? '0')
      })
    })
  }
}

function keeps(constraint: DeviceConstraint, chosen: readonly Choice[], device: PoolDevice): boolean {
  const others = chosen.filter(({ wish }) => covers(constraint, wish))
  const { matchAttribute, distinctAttribute } = constraint
  const name = matchAttribute ?? distinctAttribute
  if (name === undefined) return false
  const value = attributeOf(device, name)
  if (value === undefined) return false
  return others.every(({ device: other }) => (attributeOf(other, name) === value) === (matchAttribute !== undefined))
}

function configOf(claim: ResourceClaim, choices: readonly Choice[]): DeviceAllocationConfiguration[] {
  const config: DeviceAllocationConfiguration[] = []
  const byClass = new Map<string, { start: number; count: number; requests: string[] }>()
  for (const { wish } of choices) {
    const deviceClass = wish.deviceClass
    if (!deviceClass) continue
    const known = byClass.get(deviceClass.metadata.name)
    if (known) {
      if (!known.requests.includes(wish.name)) known.requests.push(wish.name)
      continue
    }
    const requests = [wish.name]
    byClass.set(deviceClass.metadata.name, { start: config.length, count: deviceClass.spec.config?.length ?? 0, requests })
    for (const item of deviceClass.spec.config ?? []) config.push({ source: 'FromClass', requests, ...item })
  }
  for (const item of claim.spec.devices?.config ?? [])
    if ((item.requests ?? []).length === 0 || choices.some(({ wish }) => covers(item, wish))) config.push({ source: 'FromClaim', ...item })
  return config
}

/** Where a claim's devices can be used from. */
function selectorOf(choices: readonly Choice[]): AllocationResult['nodeSelector'] {
  const term: Required<Pick<NodeSelectorTerm, 'matchExpressions' | 'matchFields'>> = { matchExpressions: [], matchFields: [] }
  for (const { device } of choices) {
    if (device.place === 'everywhere') continue
    if ('nodeName' in device.place)
      return {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [device.place.nodeName] }] }],
      }
    const [first] = device.place.nodeSelector.nodeSelectorTerms
    const has = (list: readonly object[], item: object): boolean => list.some((one) => JSON.stringify(one) === JSON.stringify(item))
    for (const item of first?.matchExpressions ?? []) if (!has(term.matchExpressions, item)) term.matchExpressions.push(item)
    for (const item of first?.matchFields ?? []) if (!has(term.matchFields, item)) term.matchFields.push(item)
  }
  if (term.matchExpressions.length + term.matchFields.length === 0) return undefined
  return {
    nodeSelectorTerms: [
      {
        ...(term.matchExpressions.length > 0 && { matchExpressions: term.matchExpressions }),
        ...(term.matchFields.length > 0 && { matchFields: term.matchFields }),
      },
    ],
  }
}

function resultOf({ wish, device, consumed }: Choice): DeviceRequestAllocationResult {
  const { bindingConditions, bindingFailureConditions } = device.device
  return {
    request: wish.name,
    driver: device.driver,
    pool: device.pool,
    device: device.device.name,
    ...(wish.adminAccess && { adminAccess: true }),
    ...(wish.request.tolerations && { tolerations: wish.request.tolerations }),
    ...(bindingConditions && { bindingConditions }),
    ...(bindingFailureConditions && { bindingFailureConditions }),
    ...(consumed && { shareID: randomUUID(), consumedCapacity: capacityTexts(device.device, consumed) }),
  }
}

/** An allocation for each claim, all on the node; undefined where there is none. @throws AllocationError */
export function allocate(claims: readonly ResourceClaim[], options: AllocatorOptions): AllocationResult[] | undefined {
  const chosen = new Search(claims, options).run()
  return (
    chosen &&
    claims.map((claim, i) => {
      const choices = chosen.filter(({ wish }) => wish.claim === i)
      const config = configOf(claim, choices)
      const nodeSelector = selectorOf(choices)
      return {
        devices: { results: choices.map(resultOf), ...(config.length > 0 && { config }) },
        ...(nodeSelector && { nodeSelector }),
      }
    })
  )
}
