/** NodeAffinity: `nodeSelector` and node affinity, required and preferred. */
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../../api/kinds/core/v1.ts'
import { FITS, normalizeByMax, refuses, type FilterPlugin, type ScorePlugin } from '../framework.ts'

const REASON = "node(s) didn't match Pod's node affinity/selector"

function matchesRequirement({ key, operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
    case 'Lt': {
      const actual = Number(value)
      const bound = Number(values[0])
      if (value === undefined || !Number.isInteger(actual) || !Number.isInteger(bound)) return false
      return operator === 'Gt' ? actual > bound : actual < bound
    }
    default:
      throw new Error(`unknown node selector operator ${operator} for key ${key}`)
  }
}

/** An empty term matches nothing. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term
  if (matchExpressions.length === 0 && matchFields.length === 0) return false
  return (
    matchExpressions.every((r) => matchesRequirement(r, node.metadata.labels?.[r.key])) &&
    matchFields.every((r) => matchesRequirement(r, r.key === 'metadata.name' ? node.metadata.name : undefined))
  )
}

export function matchesNodeAffinity(pod: Pod, node: Node): boolean {
  const { nodeSelector = {}, affinity } = pod.spec
  if (!Object.entries(nodeSelector).every(([key, value]) => node.metadata.labels?.[key] === value)) return false
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node))
}

export const nodeAffinityFilter: FilterPlugin = {
  name: 'NodeAffinity',
  prepare: (pod) => (info) => (matchesNodeAffinity(pod, info.node) ? FITS : refuses(REASON, false)),
}

export const nodeAffinityScore: ScorePlugin = {
  name: 'NodeAffinity',
  weight: 2,
  prepare(pod) {
    const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    if (preferred.length === 0) return undefined
    return (info) => preferred.reduce((sum, { weight, preference }) => sum + (matchesTerm(preference, info.node) ? weight : 0), 0)
  },
  normalize: (scores) => normalizeByMax(scores, false),
}
