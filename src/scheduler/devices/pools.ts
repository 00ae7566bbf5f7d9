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
  /** Not all of its slices are there: it is being published anew. */
  readonly isIncomplete: boolean
  readonly devices: readonly PoolDevice[]
  readonly counterSets: readonly CounterSet[]
}

export const deviceId = (driver: string, pool: string, device: string): string => `${driver}/${pool}/${device}`

type Placed = Pick<ResourceSlice['spec'], 'nodeName' | 'nodeSelector' | 'allNodes'>

function placeOn({ nodeName, nodeSelector, allNodes }: Placed, node: Node): PoolDevice['place'] | undefined {
  if (nodeName) return nodeName === node.metadata.name ? { nodeName } : undefined
  if (nodeSelector) return matchesNodeSelectorTerms(nodeSelector.nodeSelectorTerms, node) ? { nodeSelector } : undefined
  return allNodes ? 'everywhere' : undefined
}

/** Slices of a pool's newest generation; older ones are leftovers. */
export function newestSlices(slices: readonly ResourceSlice[]): ResourceSlice[][] {
  const pools = new Map<string, ResourceSlice[]>()
  for (const slice of slices) {
    const { driver, pool } = slice.spec
    const key = `${driver}/${pool.name}`
    const known = pools.get(key)
    const generation = known?.[0]?.spec.pool.generation ?? -1
    if (pool.generation > generation) pools.set(key, [slice])
    else if (pool.generation === generation) known?.push(slice)
  }
  return [...pools.values()]
}

export function poolsOn(node: Node, published: readonly (readonly ResourceSlice[])[]): Pool[] {
  return published.flatMap((slices) => {
    const [first] = slices
    if (!first) return []
    const { driver, pool } = first.spec
    const devices = slices.flatMap(({ spec }) => {
      const ofSlice = spec.perDeviceNodeSelection ? undefined : placeOn(spec, node)
      if (!spec.perDeviceNodeSelection && !ofSlice) return []
      return (spec.devices ?? []).flatMap((device): PoolDevice[] => {
        const place = ofSlice ?? placeOn(device, node)
        return place ? [{ id: deviceId(driver, pool.name, device.name), driver, pool: pool.name, device, place }] : []
      })
    })
    if (devices.length === 0) return []
    const counterSets = slices.flatMap(({ spec }) => spec.sharedCounters ?? [])
    return [{ driver, name: pool.name, isIncomplete: slices.length < pool.resourceSliceCount, devices, counterSets }]
  })
}
