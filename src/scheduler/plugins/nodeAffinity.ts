/** NodeAffinity: `nodeSelector` and node affinity, required and preferred. */
import { matchesNodeSelectorTerm, matchesRequiredNodeAffinity } from '../../api/nodeSelector.ts'
import { FITS, normalizeByMax, refuses, type FilterPlugin, type ScorePlugin } from '../framework.ts'

const REASON = "node(s) didn't match Pod's node affinity/selector"

export const nodeAffinityFilter: FilterPlugin = {
  name: 'NodeAffinity',
  prepare: (pod) => (info) => (matchesRequiredNodeAffinity(pod.spec, info.node) ? FITS : refuses(REASON, false)),
}

export const nodeAffinityScore: ScorePlugin = {
  name: 'NodeAffinity',
  weight: 2,
  prepare(pod) {
    const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    if (preferred.length === 0) return undefined
    return (info) =>
      preferred.reduce((sum, { weight, preference }) => sum + (matchesNodeSelectorTerm(preference, info.node) ? weight : 0), 0)
  },
  normalize: (scores) => normalizeByMax(scores, false),
}
