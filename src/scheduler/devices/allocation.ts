/** What is written into a claim for the devices that were chosen for it. */
import { randomUUID } from 'node:crypto'
import type { Node, NodeSelectorTerm } from '../../api/kinds/core/v1.ts'
import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
  ResourceClaim,
} from '../../api/kinds/resource/v1.ts'
import type { Choice, Wish } from './choices.ts'

const isAbout = ({ requests = [] }: { requests?: readonly string[] }, { name }: Wish): boolean =>
  requests.includes(name) || requests.includes(name.split('/')[0] as string)

/** Each class's configuration once, for all requests that it serves; the claim's own for each request that it names. */
function configOf(claim: ResourceClaim, choices: readonly Choice[]): DeviceAllocationConfiguration[] {
  const wishes = [...new Set(choices.map(({ wish }) => wish))]
  const classes = new Set(wishes.flatMap(({ deviceClass }) => deviceClass ?? []))
  const ofClasses = [...classes].flatMap((deviceClass): DeviceAllocationConfiguration[] => {
    const requests = wishes.filter((wish) => wish.deviceClass === deviceClass).map(({ name }) => name)
    return (deviceClass.spec.config ?? []).map((item) => ({ source: 'FromClass', requests, ...item }))
  })
  const ofClaim = (claim.spec.devices?.config ?? []).flatMap((item): DeviceAllocationConfiguration[] => {
    const times = (item.requests ?? []).length === 0 ? 1 : wishes.filter((wish) => isAbout(item, wish)).length
    return Array.from({ length: times }, () => ({ source: 'FromClaim', ...item }))
  })
  return [...ofClasses, ...ofClaim]
}

/** Where a claim's devices can be used from. */
function selectorOf(choices: readonly Choice[], { metadata }: Node): AllocationResult['nodeSelector'] {
  const term: Required<Pick<NodeSelectorTerm, 'matchExpressions' | 'matchFields'>> = { matchExpressions: [], matchFields: [] }
  for (const { place, device } of choices.map((choice) => choice.device)) {
    if (device.bindsToNode || (place !== 'everywhere' && 'nodeName' in place))
      return { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [metadata.name] }] }] }
    if (place === 'everywhere') continue
    const [first] = place.nodeSelector.nodeSelectorTerms
    const has = (list: readonly object[], item: object): boolean => list.some((one) => JSON.stringify(one) === JSON.stringify(item))
    for (const item of first?.matchExpressions ?? []) if (!has(term.matchExpressions, item)) term.matchExpressions.push(item)
    for (const item of first?.matchFields ?? []) if (!has(term.matchFields, item)) term.matchFields.push(item)
  }
  const { matchExpressions, matchFields } = term
  if (matchExpressions.length + matchFields.length === 0) return undefined
  return {
    nodeSelectorTerms: [{ ...(matchExpressions.length > 0 && { matchExpressions }), ...(matchFields.length > 0 && { matchFields }) }],
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
    ...(consumed && { shareID: randomUUID() }),
    ...(consumed && consumed.size > 0 && { consumedCapacity: Object.fromEntries(consumed) }),
  }
}

export function allocationOf(claim: ResourceClaim, choices: readonly Choice[], node: Node): AllocationResult {
  const config = configOf(claim, choices)
  const nodeSelector = selectorOf(choices, node)
  return {
    devices: { results: choices.map(resultOf), ...(config.length > 0 && { config }) },
    ...(nodeSelector && { nodeSelector }),
  }
}
