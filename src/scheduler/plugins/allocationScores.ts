/** How much of a node would be in use with the pod on it, and what that is worth: the strategies of NodeResourcesFit. */
import { MAX_NODE_SCORE, type NodeResources } from '../framework.ts'
import type { Resources } from '../resources.ts'

export interface WeightedResource {
  name: string
  weight: number
}

export type ScoringStrategy =
  | { type: 'LeastAllocated' | 'MostAllocated'; resources: readonly WeightedResource[] }
  | {
      type: 'RequestedToCapacityRatio'
      resources: readonly WeightedResource[]
      /** Utilization in percent, growing; scores from 0 to 10. */
      shape: readonly { utilization: number; score: number }[]
    }

export const DEFAULT_RESOURCES: readonly WeightedResource[] = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
]

/** Custom shapes score to 10, the scheduler to 100. */
const SHAPE_SCALE = 10

/** Amounts beyond the four native resources: a pod that does not ask for one is not scored by it. */
const isScalar = (name: string): boolean => name !== 'cpu' && name !== 'memory' && name !== 'ephemeral-storage'

/** For each scored resource that counts: what is allocatable, taken, and taken with the pod. */
export function usage(
  resources: readonly WeightedResource[],
  pod: Resources,
  node: NodeResources,
  kind: 'requested' | 'nonZeroRequested',
): { weight: number; allocatable: number; before: number; after: number }[] {
  const found: { weight: number; allocatable: number; before: number; after: number }[] = []
  for (const { name, weight } of resources) {
    const asked = pod.get(name) ?? 0
    if (asked === 0 && isScalar(name)) continue
    const allocatable = node.allocatable.get(name) ?? 0
    if (allocatable === 0) continue
    const isNative = name === 'cpu' || name === 'memory'
    const before = (isNative ? node[kind] : node.requested).get(name) ?? 0
    found.push({ weight, allocatable, before, after: before + asked })
  }
  return found
}

const least = (used: number, capacity: number): number =>
  used > capacity ? 0 : Math.floor(((capacity - used) * MAX_NODE_SCORE) / capacity)
const most = (used: number, capacity: number): number => Math.floor((Math.min(used, capacity) * MAX_NODE_SCORE) / capacity)

/** Linear between the points of a shape, level beyond its ends. */
export function shapeScore(shape: readonly { utilization: number; score: number }[], utilization: number): number {
  const next = shape.findIndex((point) => utilization <= point.utilization)
  if (next < 0) return (shape.at(-1)?.score ?? 0) * SHAPE_SCALE
  const to = shape[next] as { utilization: number; score: number }
  const from = shape[next - 1]
  if (!from) return to.score * SHAPE_SCALE
  const scaled = ((to.score - from.score) * SHAPE_SCALE * (utilization - from.utilization)) / (to.utilization - from.utilization)
  return from.score * SHAPE_SCALE + Math.trunc(scaled)
}

/** 0 … 100. */
export function allocationScore(strategy: ScoringStrategy, pod: Resources, node: NodeResources): number {
  let sum = 0
  let weights = 0
  for (const { weight, allocatable, after } of usage(strategy.resources, pod, node, 'nonZeroRequested')) {
    if (strategy.type === 'RequestedToCapacityRatio') {
      const utilization = after > allocatable ? 100 : Math.floor((after * 100) / allocatable)
      const score = shapeScore(strategy.shape, utilization)
      // A resource that scores nothing does not pull the others down.
      if (score <= 0) continue
      sum += score * weight
    } else {
      sum += (strategy.type === 'LeastAllocated' ? least : most)(after, allocatable) * weight
    }
    weights += weight
  }
  if (weights === 0) return 0
  return strategy.type === 'RequestedToCapacityRatio' ? Math.round(sum / weights) : Math.floor(sum / weights)
}

/** How evenly resources are used: 100 where all are used by the same share. */
function evenness(fractions: readonly number[]): number {
  const count = fractions.length
  if (count < 2) return MAX_NODE_SCORE
  // By the formula below it might come out a hair off, and be cut down to one less.
  if (count === 2) return Math.floor((1 - Math.abs((fractions[0] as number) - (fractions[1] as number)) / 2) * MAX_NODE_SCORE)
  const mean = fractions.reduce((sum, fraction) => sum + fraction, 0) / count
  const deviation = Math.sqrt(fractions.reduce((sum, fraction) => sum + (fraction - mean) ** 2, 0) / count)
  return Math.floor((1 - deviation) * MAX_NODE_SCORE)
}

/** 75 where the pod changes nothing, more where it makes the node's use more even. */
export function balanceScore(resources: readonly WeightedResource[], pod: Resources, node: NodeResources): number {
  const found = usage(resources, pod, node, 'requested')
  const withPod = evenness(found.map(({ after, allocatable }) => Math.min(1, after / allocatable)))
  const without = evenness(found.map(({ before, allocatable }) => Math.min(1, before / allocatable)))
  return Math.floor(MAX_NODE_SCORE / 2 + (MAX_NODE_SCORE / 2 + withPod - without) / 2)
}
