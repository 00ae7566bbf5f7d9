/** The devices that a node can use, out of the published ResourceSlices. */
import type { Node, NodeSelector } from '../../api/kinds/core/v1.ts'
import type { CounterSet, Device, ResourceSlice } from '../../api/kinds/resource/v1.ts'
import { matchesNodeSelectorTerms } from '../../api/nodeSelector.ts'

export interface PoolDevice {
  /** `driver/pool/device`. */
  readonly id: string
  readonly driver: string
  readonly pool: string
  readonly device: Device
  /** Where the device is: on the node alone, where a selector says, or everywhere. */
  readonly place: { nodeName: string } | { nodeSelector: NodeSelector } | 'everywhere'
}

export interface Pool {
  readonly driver: string
  readonly name: string
  /** Nothing can be had of it: not all of its slices are there, or they contradict each other. */
  readonly problem?: 'being updated' | 'invalid'
  readonly devices: readonly PoolDevice[]
  readonly counterSets: readonly CounterSet[]
  /** What each of its devices takes of the counters, those of other nodes included. */
  readonly consumers: readonly { id: string; consumes: NonNullable<Device['consumesCounters']> }[]
}

export const deviceId = (driver: string, pool: string, device: string): string => `${driver}/${pool}/${device}`

type Placed = Pick<ResourceSlice['spec'], 'nodeName' | 'nodeSelector' | 'allNodes'>

function placeOn({ nodeName, nodeSelector, allNodes }: Placed, node: Node): PoolDevice['place'] | undefined {
  if (nodeName) return nodeName === node.metadata.name ? { nodeName } : undefined
  if (nodeSelector) return matchesNodeSelectorTerms(nodeSelector.nodeSelectorTerms, node) ? { nodeSelector } : undefined
  return allNodes ? 'everywhere' : undefined
}

const byName = (a: ResourceSlice, b: ResourceSlice): number => (a.metadata.name < b.metadata.name ? -1 : 1)
const textOrder = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)

/** Slices of each pool's newest generation, by name; older ones are leftovers. */
export function newestSlices(slices: readonly ResourceSlice[]): ResourceSlice[][] {
  const pools = new Map<string, ResourceSlice[]>()
  for (const slice of slices.toSorted(byName)) {
    const { driver, pool } = slice.spec
    const key = `${driver}/${pool.name}`
    const known = pools.get(key)
    const generation = known?.[0]?.spec.pool.generation ?? -1
    if (pool.generation > generation) pools.set(key, [slice])
    else if (pool.generation === generation) known?.push(slice)
  }
  return [...pools.values()]
}

/** A node has to do with counters wherever they are, and with devices that it can use. */
function concerns({ spec }: ResourceSlice, node: Node): boolean {
  if (spec.sharedCounters?.length) return true
  if (spec.perDeviceNodeSelection) return (spec.devices ?? []).some((device) => placeOn(device, node) !== undefined)
  return placeOn(spec, node) !== undefined
}

function isContradictory(slices: readonly ResourceSlice[], concerned: readonly ResourceSlice[]): boolean {
  const names = concerned.flatMap(({ spec }) => (spec.devices ?? []).map(({ name }) => name))
  const sets = concerned.flatMap(({ spec }) => spec.sharedCounters ?? [])
  if (new Set(names).size < names.length || new Set(sets.map(({ name }) => name)).size < sets.length) return true
  const counters = new Map(sets.map((set) => [set.name, set.counters]))
  return slices.some(({ spec }) =>
    (spec.devices ?? []).some(({ consumesCounters = [] }) =>
      consumesCounters.some(({ counterSet, counters: wanted }) =>
        Object.keys(wanted).some((name) => counters.get(counterSet)?.[name] === undefined),
      ),
    ),
  )
}

function devicesOn({ spec }: ResourceSlice, node: Node): PoolDevice[] {
  const { driver, pool, devices = [] } = spec
  const ofSlice = spec.perDeviceNodeSelection ? undefined : placeOn(spec, node)
  return devices.flatMap((device): PoolDevice[] => {
    const place = spec.perDeviceNodeSelection ? placeOn(device, node) : ofSlice
    return place ? [{ id: deviceId(driver, pool.name, device.name), driver, pool: pool.name, device, place }] : []
  })
}

function poolOn(slices: readonly ResourceSlice[], node: Node): Pool | undefined {
  const concerned = slices.filter((slice) => concerns(slice, node))
  const [first] = concerned
  if (!first) return undefined
  const { driver, pool } = first.spec
  const isComplete = [concerned, slices].some(({ length }) => length === pool.resourceSliceCount)
  const nothing = { driver, name: pool.name, devices: [], counterSets: [], consumers: [] }
  if (!isComplete) return { ...nothing, problem: 'being updated' }
  if (isContradictory(slices, concerned)) return { ...nothing, problem: 'invalid' }
  const consumers = slices.flatMap(({ spec }) =>
    (spec.devices ?? []).flatMap(({ name, consumesCounters: consumes = [] }) =>
      consumes.length > 0 ? [{ id: deviceId(driver, pool.name, name), consumes }] : [],
    ),
  )
  const devices = concerned.flatMap((slice) => devicesOn(slice, node))
  return { ...nothing, devices, counterSets: concerned.flatMap(({ spec }) => spec.sharedCounters ?? []), consumers }
}

/** In the order in which they are tried: those whose devices take time to be made ready come last. */
export function poolsOn(node: Node, published: readonly (readonly ResourceSlice[])[]): Pool[] {
  const pools = published.flatMap((slices) => poolOn(slices, node) ?? [])
  const isSlow = ({ devices }: Pool): number => (devices.some(({ device }) => device.bindingConditions) ? 1 : 0)
  return pools.sort((a, b) => isSlow(a) - isSlow(b) || textOrder(a.driver, b.driver) || textOrder(a.name, b.name))
}
