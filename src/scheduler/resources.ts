/** What pods request and nodes offer, as numbers: cpu in millicores, everything else in its own unit. */
import { quantityMilliValue, quantityValue } from '../api/quantity.ts'
import type { Container, ContainerStatus, Node, Pod } from '../api/kinds/core/v1.ts'

/** Amounts by resource name. */
export type Resources = ReadonlyMap<string, number>
type Amounts = Map<string, number>
type ResourceList = Readonly<Record<string, string>> | undefined

/** What scoring counts for a container that requests nothing: 0.1 cores, 200 MB. */
const NON_ZERO_DEFAULTS: ResourceList = { cpu: '100m', memory: '200Mi' }

const PLAIN = /^(\d{1,9})(m|Ki|Mi|Gi)?$/
const UNITS: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 }

/** Most quantities are plain; the rest is parsed exactly. */
export function amountOf(name: string, quantity: string): number {
  const [, digits, unit] = PLAIN.exec(quantity) ?? []
  if (digits === undefined) return name === 'cpu' ? quantityMilliValue(quantity) : quantityValue(quantity)
  const number = Number(digits)
  if (unit === 'm') return name === 'cpu' ? number : Math.ceil(number / 1_000)
  const value = unit ? number * (UNITS[unit] as number) : number
  return name === 'cpu' ? value * 1_000 : value
}

export function amountsOf(list: ResourceList): Amounts {
  const amounts: Amounts = new Map()
  for (const name in list) amounts.set(name, amountOf(name, list[name] as string))
  return amounts
}

export function addResources(total: Amounts, more: Resources, sign: 1 | -1 = 1): void {
  for (const [name, amount] of more) total.set(name, (total.get(name) ?? 0) + sign * amount)
}

function raiseTo(total: Amounts, floor: Resources): void {
  for (const [name, amount] of floor) total.set(name, Math.max(total.get(name) ?? 0, amount))
}

/** cpu, memory and huge pages can be requested for the pod as a whole. */
const isPodLevel = (name: string): boolean => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-')

interface Counted {
  spec: ResourceList
  actuated: ResourceList
  allocated: ResourceList
}

/** During a resize a container holds what it has and what it was promised until the larger of them is gone. */
function effective({ spec, actuated, allocated }: Counted, isInfeasible: boolean): Amounts {
  const most = amountsOf(actuated)
  raiseTo(most, amountsOf(allocated))
  if (!isInfeasible) raiseTo(most, amountsOf(spec))
  return most
}

const isResizeInfeasible = ({ status }: Pod): boolean =>
  status?.conditions?.find(({ type }) => type === 'PodResizePending')?.reason === 'Infeasible'

/** What each container counts with. */
function containerRequests(pod: Pod, defaults: ResourceList): (container: Container) => Amounts {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {}
  const resized = new Map<string, ContainerStatus>()
  for (const status of [...containerStatuses, ...initContainerStatuses]) if (status.resources) resized.set(status.name, status)
  const isInfeasible = resized.size > 0 && isResizeInfeasible(pod)
  return ({ name, resources }) => {
    const spec = resources?.requests
    const status = resized.get(name)
    const amounts = status
      ? effective({ spec, actuated: status.resources?.requests, allocated: status.allocatedResources }, isInfeasible)
      : amountsOf(spec)
    for (const key in defaults) if (!amounts.has(key)) amounts.set(key, amountOf(key, defaults[key] as string))
    return amounts
  }
}

/** Pod-level requests take the containers' place. */
function applyPodLevel(total: Amounts, pod: Pod): void {
  const requests = pod.spec.resources?.requests
  if (!requests || !Object.keys(requests).some(isPodLevel)) return
  const { resources, allocatedResources } = pod.status ?? {}
  const wanted = amountsOf(requests)
  const counted = resources
    ? effective({ spec: requests, actuated: resources.requests, allocated: allocatedResources }, isResizeInfeasible(pod))
    : wanted
  for (const name of wanted.keys()) if (isPodLevel(name)) total.set(name, counted.get(name) ?? 0)
}

/**
 * Regular containers and sidecars together, or the init container that needs most while it runs beside the sidecars started
 * before it, whichever is more; pod-level requests take their place; the overhead on top.
 */
function requestsOf(pod: Pod, defaults?: ResourceList, isByContainers = false): Resources {
  const ofContainer = containerRequests(pod, defaults)
  const total: Amounts = new Map()
  for (const container of pod.spec.containers) addResources(total, ofContainer(container))
  if (pod.spec.initContainers?.length) {
    const sidecars: Amounts = new Map()
    const peak: Amounts = new Map()
    for (const container of pod.spec.initContainers) {
      const own = ofContainer(container)
      if (container.restartPolicy === 'Always') {
        addResources(total, own)
        addResources(sidecars, own)
        raiseTo(peak, sidecars)
      } else {
        addResources(own, sidecars)
        raiseTo(peak, own)
      }
    }
    raiseTo(total, peak)
  }
  if (!isByContainers) applyPodLevel(total, pod)
  addResources(total, amountsOf(pod.spec.overhead))
  return total
}

export const podRequests = (pod: Pod): Resources => requestsOf(pod)

export const nonZeroRequests = (pod: Pod): Resources => requestsOf(pod, NON_ZERO_DEFAULTS)

/** The same as if nothing were requested for the pod as a whole. */
export const nonZeroContainerRequests = (pod: Pod): Resources => requestsOf(pod, NON_ZERO_DEFAULTS, true)

export function allocatableOf(node: Node): Resources {
  return amountsOf(node.status?.allocatable ?? node.status?.capacity)
}
