/** Defaults of resource lists: requests from limits, nothing finer than a thousandth. */
import { addQuantity, compareQuantity, formatQuantity, parseQuantity, quantityMilliValue, newMilliQuantity } from '../quantity.ts'
import type * as core from '../kinds/core/v1.ts'

export type ResourceList = Record<string, string>

const NANOS_PER_MILLI = 1_000_000n

export function roundUpToMilli(list: ResourceList): void {
  for (const name of Object.keys(list)) {
    const text = list[name] as string
    if (/^\d+(Ki|Mi|Gi|Ti|m|k|M|G|T)?$/.test(text)) continue
    const quantity = parseQuantity(text)
    if (quantity.nanos % NANOS_PER_MILLI !== 0n)
      list[name] = formatQuantity(newMilliQuantity(quantityMilliValue(quantity), quantity.format))
  }
}

/** Sets what `list` lacks; answers undefined where it stays empty. */
export function fillResources(
  list: ResourceList | undefined,
  from: ResourceList | undefined,
  only?: (name: string) => boolean,
): ResourceList | undefined {
  const missing = Object.entries(from ?? {}).filter(([name]) => !Object.hasOwn(list ?? {}, name) && (!only || only(name)))
  return missing.length ? { ...list, ...Object.fromEntries(missing) } : list
}

export const isHugePages = (name: string): boolean => name.startsWith('hugepages-')
/** The resources that a pod as a whole can ask for. */
export const isPodLevel = (name: string): boolean => name === 'cpu' || name === 'memory' || isHugePages(name)

function plus(a: ResourceList, b: ResourceList | undefined): ResourceList {
  const sum = { ...a }
  for (const [name, value] of Object.entries(b ?? {}))
    sum[name] = name in sum ? formatQuantity(addQuantity(sum[name] as string, value)) : value
  return sum
}

function atLeast(a: ResourceList, b: ResourceList): ResourceList {
  const max = { ...a }
  for (const [name, value] of Object.entries(b)) if (!(name in max) || compareQuantity(value, max[name] as string) > 0) max[name] = value
  return max
}

/** What all containers together need: those that run side by side, or the largest step of initialization. */
export function aggregateContainerResources(pod: core.Pod, which: 'limits' | 'requests'): ResourceList {
  let running: ResourceList = {}
  for (const container of pod.spec.containers ?? []) running = plus(running, container.resources?.[which])
  let sidecars: ResourceList = {}
  let initializing: ResourceList = {}
  for (const container of pod.spec.initContainers ?? []) {
    const own = container.resources?.[which]
    if (container.restartPolicy === 'Always') {
      sidecars = plus(sidecars, own)
      initializing = atLeast(initializing, sidecars)
    } else initializing = atLeast(initializing, plus(sidecars, own))
  }
  return atLeast(plus(running, sidecars), initializing)
}
