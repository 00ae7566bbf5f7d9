/** NodeResourcesFit and NodeResourcesBalancedAllocation: what a pod requests against what a node has left. */
import { FITS, MAX_NODE_SCORE, refuses, type FilterPlugin, type NodeInfo, type Resources, type ScorePlugin } from '../framework.ts'
import { nonZeroRequests, podRequests } from '../resources.ts'

function insufficient(requests: Resources, { requested, allocatable }: NodeInfo): string[] {
  const reasons: string[] = []
  if ((requested.get('pods') ?? 0) + 1 > (allocatable.get('pods') ?? 0)) reasons.push('Too many pods')
  for (const [resource, amount] of requests) {
    if (amount > (allocatable.get(resource) ?? 0) - (requested.get(resource) ?? 0)) reasons.push(`Insufficient ${resource}`)
  }
  return reasons
}

export const fitFilter: FilterPlugin = {
  name: 'NodeResourcesFit',
  prepare(pod) {
    const requests = new Map([...podRequests(pod)].filter(([, amount]) => amount > 0))
    return (info) => {
      const reasons = insufficient(requests, info)
      if (reasons.length === 0) return FITS
      const tooBig = [...requests].some(([resource, amount]) => amount > (info.allocatable.get(resource) ?? 0))
      return refuses(reasons, !tooBig)
    }
  },
}

const SCORED = ['cpu', 'memory'] as const

/** What share of each scored resource would be in use with the pod on the node. */
function usedFractions(pod: Resources, { nonZeroRequested, allocatable }: NodeInfo): number[] {
  return SCORED.filter((resource) => (allocatable.get(resource) ?? 0) > 0).map((resource) => {
    const used = (nonZeroRequested.get(resource) ?? 0) + (pod.get(resource) ?? 0)
    return Math.min(1, used / (allocatable.get(resource) as number))
  })
}

export const leastAllocatedScore: ScorePlugin = {
  name: 'NodeResourcesFit',
  weight: 1,
  prepare(pod) {
    const requests = nonZeroRequests(pod)
    return (info) => {
      const fractions = usedFractions(requests, info)
      if (fractions.length === 0) return 0
      return Math.floor(fractions.reduce((sum, used) => sum + Math.floor((1 - used) * MAX_NODE_SCORE), 0) / fractions.length)
    }
  },
}

export const balancedAllocationScore: ScorePlugin = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  prepare(pod) {
    const requests = podRequests(pod)
    if (!SCORED.some((resource) => (requests.get(resource) ?? 0) > 0)) return undefined
    const counted = nonZeroRequests(pod)
    return (info) => {
      const fractions = usedFractions(counted, info)
      const mean = fractions.reduce((sum, f) => sum + f, 0) / Math.max(1, fractions.length)
      const deviation = Math.sqrt(fractions.reduce((sum, f) => sum + (f - mean) ** 2, 0) / Math.max(1, fractions.length))
      return Math.floor((1 - deviation) * MAX_NODE_SCORE)
    }
  },
}
