/** What pods request and nodes offer, as numbers: cpu in millicores, everything else in its own unit. */
import { quantityMilliValue, quantityValue } from '../api/quantity.ts'
import type { Container, Node, Pod } from '../api/kinds/core/v1.ts'
import type { Resources } from './framework.ts'

type Amounts = Map<string, number>

/** What scoring counts for a container that requests nothing: 0.1 cores, 200 MB. */
const NON_ZERO_DEFAULTS: Readonly<Record<string, number>> = { cpu: 100, memory: 200 * 1024 * 1024 }

function amountsOf(list: Readonly<Record<string, string>> | undefined): Amounts {
  return new Map(
    Object.entries(list ?? {}).map(([name, quantity]) => [name, name === 'cpu' ? quantityMilliValue(quantity) : quantityValue(quantity)]),
  )
}

export function addResources(total: Amounts, more: Resources): void {
  for (const [name, amount] of more) total.set(name, (total.get(name) ?? 0) + amount)
}

function raiseTo(total: Amounts, floor: Resources): void {
  for (const [name, amount] of floor) total.set(name, Math.max(total.get(name) ?? 0, amount))
}

function plus(a: Resources, b: Resources): Amounts {
  const sum = new Map(a)
  addResources(sum, b)
  return sum
}

/**
 * Regular containers and sidecars together, or the init container that needs most while it runs beside the sidecars started
 * before it, whichever is more; pod-level requests take their place; the overhead on top.
 */
function requestsOf({ spec }: Pod, ofContainer: (container: Container) => Amounts): Resources {
  const total: Amounts = new Map()
  for (const container of spec.containers) addResources(total, ofContainer(container))
  const sidecars: Amounts = new Map()
  const peak: Amounts = new Map()
  for (const container of spec.initContainers ?? []) {
    const own = ofContainer(container)
    if (container.restartPolicy === 'Always') {
      addResources(total, own)
      addResources(sidecars, own)
      raiseTo(peak, sidecars)
    } else {
      raiseTo(peak, plus(sidecars, own))
    }
  }
  raiseTo(total, peak)
  for (const [name, amount] of amountsOf(spec.resources?.requests)) total.set(name, amount)
  addResources(total, amountsOf(spec.overhead))
  return total
}

export function podRequests(pod: Pod): Resources {
  return requestsOf(pod, (container) => amountsOf(container.resources?.requests))
}

export function nonZeroRequests(pod: Pod): Resources {
  return requestsOf(pod, (container) => {
    const requests = amountsOf(container.resources?.requests)
    for (const [name, amount] of Object.entries(NON_ZERO_DEFAULTS)) if (!requests.has(name)) requests.set(name, amount)
    return requests
  })
}

export function allocatableOf(node: Node): Resources {
  return amountsOf(node.status?.allocatable ?? node.status?.capacity)
}
