/** PodTopologySpread: pods of one kind spread evenly over zones, nodes or any other label of the nodes. */
import type { Node, Pod, TopologySpreadConstraint } from '../../api/kinds/core/v1.ts'
import { matchesRequiredNodeAffinity } from '../../api/nodeSelector.ts'
import { labelMatcher, type Labels } from '../../api/selectors.ts'
import { FITS, MAX_NODE_SCORE, refuses, type FilterPlugin, type NodeInfo, type ScorePlugin, type Snapshot } from '../framework.ts'
import { toleratesHardTaints } from './taints.ts'

const REASON = "node(s) didn't match pod topology spread constraints"
const MISSING_LABEL = `${REASON} (missing required label)`

interface Constraint {
  spec: TopologySpreadConstraint
  matches: (labels: Labels) => boolean
  /** Matching pods by value of the topology key, for every value of an eligible node. */
  counts: ReadonlyMap<string, number>
  /** 1 if the pod counts for itself. */
  self: number
}

function constraintsOf(pod: Pod, when: string): TopologySpreadConstraint[] {
  return (pod.spec.topologySpreadConstraints ?? []).filter((c) => c.whenUnsatisfiable === when)
}

/** The constraint's selector, narrowed to the pod's own values of `matchLabelKeys`. */
function matcherOf(constraint: TopologySpreadConstraint, pod: Pod): (labels: Labels) => boolean {
  const base = labelMatcher(constraint.labelSelector)
  const own = (constraint.matchLabelKeys ?? []).filter((key) => pod.metadata.labels?.[key] !== undefined)
  return (labels) => base(labels) && own.every((key) => labels?.[key] === pod.metadata.labels?.[key])
}

function isEligible(node: Node, pod: Pod, constraint: TopologySpreadConstraint): boolean {
  if (constraint.nodeAffinityPolicy !== 'Ignore' && !matchesRequiredNodeAffinity(pod.spec, node)) return false
  return constraint.nodeTaintsPolicy !== 'Honor' || toleratesHardTaints(pod, node)
}

function matchingPods(info: NodeInfo, namespace: string, matches: (labels: Labels) => boolean): number {
  return info.pods.filter((p) => p.metadata.namespace === namespace && !p.metadata.deletionTimestamp && matches(p.metadata.labels)).length
}

function countConstraint(
  spec: TopologySpreadConstraint,
  all: readonly TopologySpreadConstraint[],
  pod: Pod,
  snapshot: Snapshot,
): Constraint {
  const matches = matcherOf(spec, pod)
  const counts = new Map<string, number>()
  for (const info of snapshot.nodes) {
    const labels = info.node.metadata.labels ?? {}
    const value = labels[spec.topologyKey]
    if (value === undefined || all.some((c) => labels[c.topologyKey] === undefined) || !isEligible(info.node, pod, spec)) continue
    counts.set(value, (counts.get(value) ?? 0) + matchingPods(info, pod.metadata.namespace, matches))
  }
  return { spec, matches, counts, self: matches(pod.metadata.labels) ? 1 : 0 }
}

/** Too few domains count as one that is empty. */
function lowest({ spec, counts }: Constraint): number {
  return counts.size < (spec.minDomains ?? 1) ? 0 : Math.min(...counts.values())
}

export const topologySpreadFilter: FilterPlugin = {
  name: 'PodTopologySpread',
  prepare(pod, snapshot) {
    const specs = constraintsOf(pod, 'DoNotSchedule')
    const constraints = specs.map((spec) => countConstraint(spec, specs, pod, snapshot))
    return ({ node }) => {
      for (const constraint of constraints) {
        const value = node.metadata.labels?.[constraint.spec.topologyKey]
        if (value === undefined) return refuses(MISSING_LABEL, false)
        const here = constraint.counts.get(value) ?? 0
        if (here + constraint.self - lowest(constraint) > constraint.spec.maxSkew) return refuses(REASON, true)
      }
      return FITS
    }
  },
}

export const topologySpreadScore: ScorePlugin = {
  name: 'PodTopologySpread',
  weight: 2,
  prepare(pod, snapshot) {
    const specs = constraintsOf(pod, 'ScheduleAnyway')
    if (specs.length === 0) return undefined
    const constraints = specs.map((spec) => countConstraint(spec, [spec], pod, snapshot))
    return ({ node }) =>
      constraints.reduce((sum, { spec, counts }) => {
        const here = counts.get(node.metadata.labels?.[spec.topologyKey] ?? '') ?? 0
        return sum + here * Math.log(counts.size + 2) + (spec.maxSkew - 1)
      }, 0)
  },
  normalize(scores) {
    const max = Math.max(...scores)
    const min = Math.min(...scores)
    return scores.map((score) => (max === 0 ? MAX_NODE_SCORE : Math.floor((MAX_NODE_SCORE * (max + min - score)) / max)))
  },
}
