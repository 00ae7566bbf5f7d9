/** What an update of a DaemonSet replaces next. No I/O. */
import type { DaemonSet } from '../../api/kinds/apps/v1.ts'
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { scaledValue } from '../intOrPercent.ts'
import { isAvailable } from '../podState.ts'
import { fits } from './placement.ts'

/** The live pods of one node: at most one of each template, unless there are too many. */
export interface NodePods {
  node: Node
  young: Pod | undefined
  old: Pod | undefined
  /** More than one of a template: what is too much goes first. */
  crowded: boolean
}

export interface RolloutInput {
  ds: DaemonSet
  /** Those that should have a pod, and those that have one. */
  nodes: readonly NodePods[]
  nowMs: number
}

export interface Rollout {
  /** Nodes where a new pod may join an old one. */
  create: string[]
  /** Old pods that may go. */
  remove: Pod[]
}

export function bounds(ds: DaemonSet, desired: number): { maxUnavailable: number; maxSurge: number } {
  const { maxUnavailable = 1, maxSurge = 0 } = ds.spec.updateStrategy?.rollingUpdate ?? {}
  const surge = scaledValue(maxSurge, desired, 'up')
  const unavailable = scaledValue(maxUnavailable, desired, 'up')
  return { maxSurge: surge, maxUnavailable: surge === 0 && unavailable === 0 ? 1 : unavailable }
}

export function planRollout(input: RolloutInput): Rollout {
  const { ds, nodes } = input
  const desired = nodes.filter(({ node }) => fits(ds, node).shouldRun).length
  const { maxSurge, maxUnavailable } = bounds(ds, desired)
  return maxSurge > 0 ? surge(input, maxSurge, desired) : replace(input, maxUnavailable)
}

function availability({ ds, nowMs }: RolloutInput): (pod: Pod | undefined) => boolean {
  return (pod) => pod !== undefined && isAvailable(pod, ds.spec.minReadySeconds ?? 0, nowMs)
}

/** As many old pods go as may be unavailable; those that are not available anyway cost nothing. */
function replace(input: RolloutInput, maxUnavailable: number): Rollout {
  const available = availability(input)
  const useless: Pod[] = []
  const candidates: Pod[] = []
  let unavailable = 0
  for (const { young, old, crowded } of input.nodes) {
    if (!crowded && old && !young && available(old)) {
      candidates.push(old)
      continue
    }
    if (crowded || old || !available(young)) unavailable++
    if (!crowded && old && !young) useless.push(old)
  }
  return { create: [], remove: [...useless, ...candidates.slice(0, Math.max(0, maxUnavailable - unavailable))] }
}

/**
 * A new pod joins an old one, which goes when the new one is available. Where an old one is not available that costs nothing;
 * elsewhere there are at most so many pairs. Pods on nodes that should not have any stay until there are enough others.
 */
function surge(input: RolloutInput, maxSurge: number, desired: number): Rollout {
  const { ds, nodes } = input
  const available = availability(input)
  const plan: Rollout = { create: [], remove: [] }
  const candidates: string[] = []
  const misplaced: Pod[] = []
  let surging = 0
  let serving = 0
  for (const { node, young, old, crowded } of nodes) {
    if (crowded) surging++
    if (crowded) continue
    if (available(old ?? young)) serving++
    if (!old) continue
    const fit = fits(ds, node).shouldRun
    if (young) {
      if (available(young)) plan.remove.push(old)
      else surging++
    } else if (!fit) (available(old) ? misplaced : plan.remove).push(old)
    else (available(old) ? candidates : plan.create).push(node.metadata.name)
  }
  plan.remove.push(...misplaced.slice(0, Math.max(0, serving - desired)))
  plan.create.push(...candidates.slice(0, Math.max(0, maxSurge - surging)))
  return plan
}
