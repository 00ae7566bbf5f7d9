/** NodeResourcesFit and NodeResourcesBalancedAllocation: what a pod requests against what a node has left. */
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { ADD, DELETE, UPDATE_NODE_ALLOCATABLE, UPDATE_POD_SCALE_DOWN, type ClusterEvent, type EventHint } from '../events.ts'
import { FITS, refuses, type NodeResources, type Plugin, type Verdict } from '../framework.ts'
import { allocatableOf, podRequests, type Resources } from '../resources.ts'
import { allocationScore, balanceScore, type ScoringStrategy, type WeightedResource } from './allocationScores.ts'

export interface FitArgs {
  /** Extended resources that somebody else accounts for. */
  ignoredResources: readonly string[]
  ignoredResourceGroups: readonly string[]
  scoringStrategy: ScoringStrategy
}

function insufficient(requests: readonly (readonly [string, number])[], node: NodeResources): Verdict {
  const reasons: string[] = []
  const { requested, allocatable } = node
  if (node.podCount + 1 > (allocatable.get('pods') ?? 0)) reasons.push('Too many pods')
  let isTooBig = false
  for (const [resource, amount] of requests) {
    const has = allocatable.get(resource) ?? 0
    if (amount <= has - (requested.get(resource) ?? 0)) continue
    reasons.push(`Insufficient ${resource}`)
    isTooBig ||= amount > has
  }
  return reasons.length === 0 ? FITS : refuses(reasons, !isTooBig)
}

const NOTHING: Resources = new Map()

function isHelpedByNode(pod: Pod, { before, after }: ClusterEvent): boolean {
  if (!after) return false
  const requests = [...podRequests(pod)].filter(([, amount]) => amount > 0)
  const now = allocatableOf(after as Node)
  if (!insufficient(requests, { allocatable: now, requested: NOTHING, nonZeroRequested: NOTHING, podCount: 0 }).fits) return false
  if (!before) return true
  const old = allocatableOf(before as Node)
  return [['pods', 1] as const, ...requests].some(([name]) => (now.get(name) ?? 0) > (old.get(name) ?? 0))
}

function isHelpedByPod(pod: Pod, { before, after }: ClusterEvent): boolean {
  const other = (after ?? before) as Pod
  if (other.metadata.uid === pod.metadata.uid) return after !== undefined
  if (!other.spec.nodeName) return false
  if (!after) return true
  const [old, now] = [podRequests(before as Pod), podRequests(after as Pod)]
  return [...podRequests(pod)].some(([name, amount]) => amount > 0 && (old.get(name) ?? 0) > (now.get(name) ?? 0))
}

export function newFit({ ignoredResources, ignoredResourceGroups, scoringStrategy }: FitArgs): Plugin {
  const isIgnored = (name: string): boolean =>
    ignoredResources.includes(name) || ignoredResourceGroups.some((group) => name.startsWith(`${group}/`))
  const events: EventHint[] = [
    { resource: 'Pod', actions: DELETE | UPDATE_POD_SCALE_DOWN, mayHelp: isHelpedByPod },
    { resource: 'Node', actions: ADD | UPDATE_NODE_ALLOCATABLE, mayHelp: isHelpedByNode },
  ]
  return {
    name: 'NodeResourcesFit',
    isLocal: true,
    events,
    prepare({ requests }) {
      const wanted = [...requests].filter(([name, amount]) => amount > 0 && !isIgnored(name))
      return { filter: (node) => insufficient(wanted, node) }
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
