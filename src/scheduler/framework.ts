/**
 * The scheduling framework's vocabulary (kube-scheduler's extension points), for plugins that are pure: each looks at a pod,
 * a node and the snapshot, and says whether the pod fits and how well.
 */
import type { Node, Pod } from '../api/kinds/core/v1.ts'

/** Amounts by resource name; cpu in millicores, the rest in their own unit (bytes, counts). */
export type Resources = ReadonlyMap<string, number>

export interface NodeInfo {
  readonly node: Node
  /** Pods bound or assumed to be on the node that still run. */
  readonly pods: readonly Pod[]
  /** What they request together, pods included under `pods`. */
  readonly requested: Resources
  /** Requests for scoring: pods without requests count with upstream's small defaults. */
  readonly nonZeroRequested: Resources
  readonly allocatable: Resources
}

export interface Snapshot {
  readonly nodes: readonly NodeInfo[]
  readonly byName: ReadonlyMap<string, NodeInfo>
}

export type Verdict =
  | { fits: true }
  /** `resolvable`: removing other pods from the node could make room. */
  | { fits: false; reasons: readonly string[]; resolvable: boolean }

export const FITS: Verdict = { fits: true }
export const refuses = (reason: string | readonly string[], resolvable: boolean): Verdict => ({
  fits: false,
  reasons: typeof reason === 'string' ? [reason] : reason,
  resolvable,
})

/** Computed once for a pod before its nodes are looked at. */
export interface FilterPlugin {
  name: string
  /** Why the pod fits nowhere, whichever nodes there are (upstream's PreFilter); undefined when that depends on the node. */
  preFilter?: (pod: Pod) => string | undefined
  prepare(pod: Pod, snapshot: Snapshot): (node: NodeInfo) => Verdict
}

export const MAX_NODE_SCORE = 100

export interface ScorePlugin {
  name: string
  weight: number
  /** Undefined when the plugin has no opinion on this pod. */
  prepare(pod: Pod, snapshot: Snapshot): ((node: NodeInfo) => number) | undefined
  /** Brings the scores of all nodes to 0 … 100; left out where they are already. */
  normalize?: (scores: readonly number[]) => number[]
}

/** The highest score becomes 100 (or 0, reversed). */
export function normalizeByMax(scores: readonly number[], reverse: boolean): number[] {
  const max = Math.max(0, ...scores)
  if (max === 0) return scores.map(() => (reverse ? MAX_NODE_SCORE : 0))
  return scores.map((score) => {
    const scaled = Math.floor((score * MAX_NODE_SCORE) / max)
    return reverse ? MAX_NODE_SCORE - scaled : scaled
  })
}
