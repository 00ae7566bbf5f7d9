/** NodeResourcesFit and NodeResourcesBalancedAllocation: what a pod requests against what a node has left. */
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { ADD, DELETE, UPDATE, UPDATE_NODE_ALLOCATABLE, UPDATE_POD_SCALE_DOWN, type ClusterEvent, type EventHint } from '../events.ts'
import { FITS, refuses, type NodeResources, type Plugin, type Verdict } from '../framework.ts'
import { allocatableOf, podRequests, type Resources } from '../resources.ts'
import { allocationScore, balanceScore, type ScoringStrategy, type WeightedResource } from './allocationScores.ts'

export interface FitArgs {
  /** Extended resources that somebody else accounts for. */
  ignoredResources: readonly string[]
  ignoredResourceGroups: readonly string[]
  scoringStrategy: ScoringStrategy
  /** Whether devices of a class stand behind an extended resource that the node itself does not have. */
  isByDevices?: (resource: string) => boolean
}

function insufficient(requests: readonly (readonly [string, number])[], node: NodeResources, isByDevices: FitArgs['isByDevices']): Verdict {
  const reasons: string[] = []
  const { requested, allocatable } = node
  if (node.podCount + 1 > (allocatable.get('pods') ?? 0)) reasons.push('Too many pods')
  let isTooBig = false
  for (const [resource, amount] of requests) {
    const has = allocatable.get(resource) ?? 0
    if (has === 0 && isByDevices?.(resource)) continue
    if (amount <= has - (requested.get(resource) ?? 0)) continue
    reasons.push(`Insufficient ${resource}`)
    isTooBig ||= amount > has
  }
  return reasons.length === 0 ? FITS : refuses(reasons, !isTooBig)
}

const NOTHING: Resources = new Map()

function isHelpedByNode(pod: Pod, { before, after }: ClusterEvent, isByDevices: FitArgs['isByDevices']): boolean {
  if (!after) return false
  const requests = [...podRequests(pod)].filter(([, amount]) => amount > 0)
  const now = allocatableOf(after as Node)
  if (!insufficient(requests, { allocatable: now, requested: NOTHING, nonZeroRequested: NOTHING, podCount: 0 }, isByDevices).fits)
    return false
  if (!before) return true
  const old = allocatableOf(before as Node)
  return [['pods', 1] as const, ...requests].some(([name]) => (now.get(name) ?? 0) > (old.get(name) ?? 0) || isByDevices?.(name))
}

function isHelpedByPod(pod: Pod, { before, after }: ClusterEvent): boolean {
  const other = (after ?? before) as Pod
  if (other.metadata.uid === pod.metadata.uid) return after !== undefined
  if (!other.spec.nodeName) return false
  if (!after) return true
  const [old, now] = [podRequests(before as Pod), podRequests(after as Pod)]
  return [...podRequests(pod)].some(([name, amount]) => amount > 0 && (old.get(name) ?? 0) > (now.get(name) ?? 0))
}

export function newFit({ ignoredResources, ignoredResourceGroups, scoringStrategy, isByDevices }: FitArgs): Plugin {
  const isIgnored = (name: string): boolean =>
    ignoredResources.includes(name) || ignoredResourceGroups.some((group) => name.startsWith(`${group}/`))
  const events: EventHint[] = [
    { resource: 'Pod', actions: DELETE | UPDATE_POD_SCALE_DOWN, mayHelp: isHelpedByPod },
    { resource: 'Node', actions: ADD | UPDATE_NODE_ALLOCATABLE, mayHelp: (pod, event) => isHelpedByNode(pod, event, isByDevices) },
    ...(isByDevices ? [{ resource: 'DeviceClass' as const, actions: ADD | UPDATE }] : []),
  ]
  return {
    name: 'NodeResourcesFit',
    // Device classes come and go without the node knowing.
    isLocal: isByDevices === undefined,
    events,
    prepare({ requests }) {
      const wanted = [...requests].filter(([name, amount]) => amount > 0 && !isIgnored(name))
      return { filter: (node) => insufficient(wanted, node, isByDevices) }
    },
    score({ nonZeroRequests }) {
      return { of: (node) => allocationScore(scoringStrategy, nonZeroRequests, node) }
    },
  }
}

export function newBalancedAllocation(resources: readonly WeightedResource[]): Plugin {
  return {
    name: 'NodeResourcesBalancedAllocation',
    isLocal: true,
    events: [],
    score({ requests }) {
      if (!resources.some(({ name }) => (requests.get(name) ?? 0) > 0)) return undefined
      return { of: (node) => balanceScore(resources, requests, node) }
    },
  }
}
