/** NodeResourcesFit and NodeResourcesBalancedAllocation: what a pod requests against what a node has left. */
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import type { DeviceClass } from '../../api/kinds/resource/v1.ts'
import { ADD, DELETE, UPDATE, UPDATE_NODE_ALLOCATABLE, UPDATE_POD_SCALE_DOWN, type ClusterEvent, type EventHint } from '../events.ts'
import { FITS, refuses, type NodeResources, type Plugin, type Verdict } from '../framework.ts'
import { allocatableOf, nonZeroContainerRequests, podRequests, type Resources } from '../resources.ts'
import { allocationScore, balanceScore, type ScoringStrategy, type WeightedResource } from './allocationScores.ts'

export interface FitArgs {
  /** Extended resources that somebody else accounts for. */
  ignoredResources: readonly string[]
  ignoredResourceGroups: readonly string[]
  scoringStrategy: ScoringStrategy
}

/** Whether a resource may be had as devices instead, where a node does not offer it itself. */
type IsBackedByDevices = (resource: string) => boolean

const NONE_BACKED: ReadonlySet<string> = new Set()

function insufficient(
  requests: readonly (readonly [string, number])[],
  node: NodeResources,
  backed: ReadonlySet<string> = NONE_BACKED,
): Verdict {
  const reasons: string[] = []
  const { requested, allocatable } = node
  if (node.podCount + 1 > (allocatable.get('pods') ?? 0)) reasons.push('Too many pods')
  let isTooBig = false
  for (const [resource, amount] of requests) {
    const has = allocatable.get(resource) ?? 0
    if (amount <= has - (requested.get(resource) ?? 0) || (has === 0 && backed.has(resource))) continue
    reasons.push(`Insufficient ${resource}`)
    isTooBig ||= amount > has
  }
  return reasons.length === 0 ? FITS : refuses(reasons, !isTooBig)
}

const NOTHING: Resources = new Map()
const isNative = (name: string): boolean => !name.includes('/')

function isHelpedByNode(pod: Pod, { before, after }: ClusterEvent, backed: ReadonlySet<string>): boolean {
  if (!after) return false
  const requests = [...podRequests(pod)].filter(([, amount]) => amount > 0)
  const now = allocatableOf(after as Node)
  if (!insufficient(requests, { allocatable: now, requested: NOTHING, nonZeroRequested: NOTHING, podCount: 0 }, backed).fits) return false
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

export function newFit(
  { ignoredResources, ignoredResourceGroups, scoringStrategy }: FitArgs,
  isBackedByDevices: IsBackedByDevices = () => false,
): Plugin {
  /** A class may make a resource of which no node has any worth asking for. */
  const isHelpedByClass = (pod: Pod, { before, after }: ClusterEvent): boolean => {
    const [old, now] = [before as DeviceClass | undefined, after as DeviceClass | undefined]
    if (!now) return false
    const names = [now.spec.extendedResourceName, ...(old ? [] : [`deviceclass.resource.kubernetes.io/${now.metadata.name}`])]
    if (old && old.spec.extendedResourceName === now.spec.extendedResourceName) return false
    const requests = podRequests(pod)
    return names.some((name) => name !== undefined && requests.has(name))
  }
  const backedAmong = (requests: readonly (readonly [string, number])[]): ReadonlySet<string> =>
    new Set(requests.flatMap(([name]) => (isNative(name) || !isBackedByDevices(name) ? [] : name)))

  const isIgnored = (name: string): boolean =>
    ignoredResources.includes(name) || ignoredResourceGroups.some((group) => name.startsWith(`${group}/`))
  const events: EventHint[] = [
    { resource: 'Pod', actions: DELETE | UPDATE_POD_SCALE_DOWN, mayHelp: isHelpedByPod },
    {
      resource: 'Node',
      actions: ADD | UPDATE_NODE_ALLOCATABLE,
      mayHelp: (pod, event) => isHelpedByNode(pod, event, backedAmong([...podRequests(pod)])),
    },
    { resource: 'DeviceClass', actions: ADD | UPDATE, mayHelp: isHelpedByClass },
  ]
  return {
    name: 'NodeResourcesFit',
    isLocal: true,
    events,
    prepare({ requests }) {
      const wanted = [...requests].filter(([name, amount]) => amount > 0 && !isIgnored(name))
      const backed = backedAmong(wanted)
      return { filter: (node) => insufficient(wanted, node, backed), ...(backed.size > 0 && { variant: [...backed].sort().join() }) }
    },
    score({ pod, nonZeroRequests }) {
      // Upstream rates what a new pod adds by its containers, whatever it requests as a whole.
      const added = pod.spec.resources ? nonZeroContainerRequests(pod) : nonZeroRequests
      return { of: (node) => allocationScore(scoringStrategy, added, node) }
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
