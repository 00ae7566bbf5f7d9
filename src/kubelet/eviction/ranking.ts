/**
 * Which pod goes first when the node runs short, and what is said of it: pods that use more than they asked for, then the
 * least important, then the largest use beyond the request. Pure; order and texts are upstream's (pkg/kubelet/eviction).
 */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { quantityValue } from '../pods/amounts.ts'
import { podAmounts } from '../resources/podResources.ts'
import { isCritical } from '../pods/critical.ts'
import type { MetThreshold, Threshold } from './pressure.ts'

export interface ContainerUse {
  name: string
  memoryBytes: number
  processes: number
  /** Writable layer and logs. */
  diskBytes: number
}

export interface PodUse {
  pod: Pod
  containers: readonly ContainerUse[]
  /** Of the volumes that are on the node's disk for the pod's life. */
  volumeBytes: number
  /** Of the pod as a whole, what its dead containers left in volumes in memory included. */
  memoryBytes?: number
}

export function requestOf(pod: Pod, resource: string): number {
  return quantityValue(podAmounts(pod, 'requests')[resource] ?? '0')
}

export function useOf({ containers, volumeBytes, memoryBytes = 0 }: PodUse, resource: Threshold['resource']): number {
  const sum = (key: 'memoryBytes' | 'processes' | 'diskBytes'): number => containers.reduce((total, use) => total + use[key], 0)
  if (resource === 'memory') return Math.max(sum('memoryBytes'), memoryBytes)
  return resource === 'pids' ? sum('processes') : sum('diskBytes') + volumeBytes
}

/** Nothing can be asked for of these. */
const UNREQUESTED: ReadonlySet<string> = new Set(['pids', 'inodes'])

function requested(pod: Pod, resource: Threshold['resource']): number {
  return UNREQUESTED.has(resource) ? 0 : requestOf(pod, resource)
}

/** The first goes first. Those that may not go are left out. */
export function ranked(uses: readonly PodUse[], resource: Threshold['resource']): PodUse[] {
  const facts = uses
    .filter(({ pod }) => !isCritical(pod))
    .map((use) => {
      const beyond = useOf(use, resource) - requested(use.pod, resource)
      return { use, beyond, exceeds: beyond > 0 && !UNREQUESTED.has(resource), priority: use.pod.spec?.priority ?? 0 }
    })
  return facts
    .toSorted((a, b) => Number(b.exceeds) - Number(a.exceeds) || a.priority - b.priority || b.beyond - a.beyond)
    .map(({ use }) => use)
}

const SUFFIXES = ['', 'Ki', 'Mi', 'Gi', 'Ti'] as const

/** A quantity in bytes, with the largest suffix that keeps it whole. */
export function bytesText(bytes: number): string {
  let amount = Math.floor(bytes)
  let suffix = 0
  while (amount !== 0 && amount % 1024 === 0 && suffix < SUFFIXES.length - 1) {
    amount /= 1024
    suffix++
  }
  return `${amount}${SUFFIXES[suffix]}`
}

export function amountText(resource: Threshold['resource'], amount: number): string {
  return UNREQUESTED.has(resource) ? String(Math.floor(amount)) : bytesText(Math.floor(amount / 1024) * 1024)
}

/** Why a pod is ended for what the node lacks. */
export function evictionMessage({ threshold, available, limit }: MetThreshold, use: PodUse): string {
  const { resource } = threshold
  const why = `The node was low on resource: ${resource}. Threshold quantity: ${amountText(resource, limit)}, available: ${amountText(resource, available)}. `
  if (UNREQUESTED.has(resource)) return why
  const greedy = use.containers.flatMap((container) => {
    const used = resource === 'memory' ? container.memoryBytes : container.diskBytes
    const spec = [...(use.pod.spec?.containers ?? []), ...(use.pod.spec?.initContainers ?? [])].find(({ name }) => name === container.name)
    const request = spec?.resources?.requests?.[resource] ?? '0'
    if (used <= quantityValue(request)) return []
    return `Container ${container.name} was using ${amountText(resource, used)}, request is ${request}, has larger consumption of ${resource}. `
  })
  return why + greedy.join('')
}
