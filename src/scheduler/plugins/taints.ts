/** TaintToleration and NodeUnschedulable. */
import type { Node, Pod, Taint, Toleration } from '../../api/kinds/core/v1.ts'
import { tolerates } from '../../api/tolerations.ts'
import { FITS, normalizeByMax, refuses, type FilterPlugin, type ScorePlugin } from '../framework.ts'

const isTolerated = (tolerations: readonly Toleration[], taint: Taint): boolean => tolerations.some((t) => tolerates(t, taint))

export function toleratesHardTaints(pod: Pod, node: Node): boolean {
  const hard = (node.spec.taints ?? []).filter((t) => t.effect === 'NoSchedule' || t.effect === 'NoExecute')
  return hard.every((taint) => isTolerated(pod.spec.tolerations ?? [], taint))
}

export const taintFilter: FilterPlugin = {
  name: 'TaintToleration',
  prepare: (pod) => (info) => (toleratesHardTaints(pod, info.node) ? FITS : refuses('node(s) had untolerated taint(s)', false)),
}

export const taintScore: ScorePlugin = {
  name: 'TaintToleration',
  weight: 3,
  prepare(pod) {
    const tolerations = (pod.spec.tolerations ?? []).filter((t) => !t.effect || t.effect === 'PreferNoSchedule')
    return ({ node }) => (node.spec.taints ?? []).filter((t) => t.effect === 'PreferNoSchedule' && !isTolerated(tolerations, t)).length
  },
  normalize: (scores) => normalizeByMax(scores, true),
}

const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

export const unschedulableFilter: FilterPlugin = {
  name: 'NodeUnschedulable',
  prepare(pod) {
    const tolerated = isTolerated(pod.spec.tolerations ?? [], UNSCHEDULABLE)
    return ({ node }) => (node.spec.unschedulable && !tolerated ? refuses('node(s) were unschedulable', false) : FITS)
  },
}
