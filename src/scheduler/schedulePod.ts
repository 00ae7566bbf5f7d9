/**
 * One pod's verdict, purely: filter the nodes, score those that fit, choose. Upstream's schedulePod and its FitError texts.
 */
import type { Pod } from '../api/kinds/core/v1.ts'
import type { FilterPlugin, NodeInfo, ScorePlugin, Snapshot } from './framework.ts'

export interface Plugins {
  filters: readonly FilterPlugin[]
  scores: readonly ScorePlugin[]
}

export interface Refusal {
  node: string
  plugin: string
  reasons: readonly string[]
  resolvable: boolean
}

/** Upstream's Diagnosis. */
export interface Diagnosis {
  /** By node; none when the pod itself was refused. */
  refusals: readonly Refusal[]
  /** Why the pod was refused before any node was looked at. */
  preFilter?: string
}

export type Decision = { node: string } | Diagnosis

export interface ScheduleInput {
  pod: Pod
  snapshot: Snapshot
  plugins: Plugins
  /** Chooses among equally good nodes: 0 ≤ result < count. */
  pick: (count: number) => number
}

export function schedulePod({ pod, snapshot, plugins, pick }: ScheduleInput): Decision {
  for (const plugin of plugins.filters) {
    const preFilter = plugin.preFilter?.(pod)
    if (preFilter !== undefined) return { refusals: [], preFilter }
  }
  const filters = plugins.filters.map((plugin) => ({ name: plugin.name, filter: plugin.prepare(pod, snapshot) }))
  const feasible: NodeInfo[] = []
  const refusals: Refusal[] = []
  for (const info of snapshot.nodes) {
    const refusal = firstRefusal(info, filters)
    if (refusal) refusals.push(refusal)
    else feasible.push(info)
  }
  if (feasible.length === 0) return { refusals }
  const chosen = feasible.length === 1 ? (feasible[0] as NodeInfo) : best(pod, snapshot, feasible, plugins.scores, pick)
  return { node: chosen.node.metadata.name }
}

function firstRefusal(
  info: NodeInfo,
  filters: readonly { name: string; filter: ReturnType<FilterPlugin['prepare']> }[],
): Refusal | undefined {
  for (const { name, filter } of filters) {
    const verdict = filter(info)
    if (!verdict.fits) return { node: info.node.metadata.name, plugin: name, reasons: verdict.reasons, resolvable: verdict.resolvable }
  }
  return undefined
}

function best(
  pod: Pod,
  snapshot: Snapshot,
  feasible: readonly NodeInfo[],
  plugins: readonly ScorePlugin[],
  pick: ScheduleInput['pick'],
): NodeInfo {
  const totals = feasible.map(() => 0)
  for (const plugin of plugins) {
    const score = plugin.prepare(pod, snapshot)
    if (!score) continue
    const raw = feasible.map(score)
    const scores = plugin.normalize ? plugin.normalize(raw) : raw
    scores.forEach((value, i) => (totals[i] = (totals[i] as number) + value * plugin.weight))
  }
  const highest = Math.max(...totals)
  const candidates = feasible.filter((_, i) => totals[i] === highest)
  return candidates[pick(candidates.length)] as NodeInfo
}

const noNode = (nodes: number): string => `0/${nodes} nodes are available:`

/** `1 Insufficient cpu, 2 node(s) had untolerated taint(s).` */
function countReasons(reasons: Iterable<string>): string {
  const counts = new Map<string, number>()
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const texts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort()
  return `${texts.join(', ')}.`
}

/** Upstream asks DynamicResources, then DefaultPreemption, whether they can help; pods here have no resource claims. */
function describePostFilter({ preemptionPolicy }: Pod['spec'], nodes: number, refusals: readonly Refusal[]): string {
  const preemption =
    preemptionPolicy === 'Never'
      ? 'not eligible due to preemptionPolicy=Never.'
      : `${noNode(nodes)} ${countReasons(
          refusals.map(({ resolvable }) =>
            resolvable ? 'No preemption victims found for incoming pod' : 'Preemption is not helpful for scheduling',
          ),
        )}`
  return `no new claims to deallocate, preemption: ${preemption}`
}

/** Upstream's FitError, word for word: people and tools look for these texts in events and conditions. */
export function describeFailure({ spec }: Pod, nodes: number, { refusals, preFilter }: Diagnosis): string {
  if (nodes === 0) return 'no nodes available to schedule pods'
  // A refusal by VolumeBinding comes before upstream's DynamicResources has made its state: "not found" is what that says.
  if (preFilter !== undefined) return `${noNode(nodes)} ${preFilter}. not found`
  const reasons = refusals.flatMap((refusal) => refusal.reasons)
  return `${noNode(nodes)} ${countReasons(reasons)} ${describePostFilter(spec, nodes, refusals)}`
}
