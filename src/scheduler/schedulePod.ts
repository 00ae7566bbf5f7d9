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

export type Decision = { node: string; evaluated: number; feasible: number } | { refusals: readonly Refusal[] }

export interface ScheduleInput {
  pod: Pod
  snapshot: Snapshot
  plugins: Plugins
  /** Chooses among equally good nodes: 0 ≤ result < count. */
  pick: (count: number) => number
}

export function schedulePod({ pod, snapshot, plugins, pick }: ScheduleInput): Decision {
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
  return { node: chosen.node.metadata.name, evaluated: snapshot.nodes.length, feasible: feasible.length }
}

function firstRefusal(info: NodeInfo, filters: readonly { name: string; filter: ReturnType<FilterPlugin['prepare']> }[]): Refusal | undefined {
  for (const { name, filter } of filters) {
    const verdict = filter(info)
    if (!verdict.fits) return { node: info.node.metadata.name, plugin: name, reasons: verdict.reasons, resolvable: verdict.resolvable }
  }
  return undefined
}

function best(pod: Pod, snapshot: Snapshot, feasible: readonly NodeInfo[], plugins: readonly ScorePlugin[], pick: ScheduleInput['pick']): NodeInfo {
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

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).` */
export function describeRefusals(nodes: number, refusals: readonly Pick<Refusal, 'reasons'>[]): string {
  if (nodes === 0) return 'no nodes available to schedule pods'
  const counts = new Map<string, number>()
  for (const { reasons } of refusals) for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const texts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort()
  return `0/${nodes} nodes are available: ${texts.join(', ')}.`
}
