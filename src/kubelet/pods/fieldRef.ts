/** The downward API: a pod's own fields and its containers' resources, as environment variables and files. */
import type { Container, Pod, ResourceFieldSelector } from '../../api/kinds/core/v1.ts'
import { quantityIn } from './amounts.ts'
import { findContainer } from './podSpec.ts'

/** What the pod's object does not say (yet). */
export interface PodFacts {
  nodeIps: readonly string[]
  podIps: readonly string[]
  /** cpu, memory, ephemeral-storage: a container without limits sees these. */
  allocatable: Readonly<Record<string, string>>
}

/** Go's `%q`, as upstream writes labels and annotations into files. */
function quoted(text: string): string {
  return JSON.stringify(text)
}

function formatMap(map: Record<string, string> | undefined): string {
  return Object.entries(map ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${quoted(value)}`)
    .join('\n')
}

const SUBSCRIPT = /^(metadata\.(?:labels|annotations))\['(.*)'\]$/

export function fieldValue(pod: Pod, path: string, facts: PodFacts): string {
  const subscript = SUBSCRIPT.exec(path)
  if (subscript) {
    const map = subscript[1] === 'metadata.labels' ? pod.metadata.labels : pod.metadata.annotations
    return map?.[subscript[2] ?? ''] ?? ''
  }
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name
    case 'metadata.namespace':
      return pod.metadata.namespace
    case 'metadata.uid':
      return pod.metadata.uid
    case 'metadata.labels':
      return formatMap(pod.metadata.labels)
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations)
    case 'spec.nodeName':
      return pod.spec?.nodeName ?? ''
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? ''
    case 'status.hostIP':
      return facts.nodeIps[0] ?? ''
    case 'status.hostIPs':
      return facts.nodeIps.join(',')
    case 'status.podIP':
      return facts.podIps[0] ?? ''
    case 'status.podIPs':
      return facts.podIps.join(',')
    default:
      throw new Error(`unsupported fieldPath: ${path}`)
  }
}

export function resourceValue(pod: Pod, selector: ResourceFieldSelector, inContainer: Container | undefined, facts: PodFacts): string {
  const container = selector.containerName ? findContainer(pod, selector.containerName) : inContainer
  if (!container) throw new Error(`container ${selector.containerName} not found`)
  const [kind, ...rest] = selector.resource.split('.')
  const resource = rest.join('.')
  const divisor = selector.divisor && selector.divisor !== '0' ? selector.divisor : '1'
  const { requests, limits } = container.resources ?? {}
  if (kind === 'limits') return String(quantityIn(limits?.[resource] ?? facts.allocatable[resource] ?? '0', divisor))
  if (kind === 'requests') return String(quantityIn(requests?.[resource] ?? limits?.[resource] ?? '0', divisor))
  throw new Error(`unsupported container resource : ${selector.resource}`)
}
