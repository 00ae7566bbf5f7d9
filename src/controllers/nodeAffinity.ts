/** Whether a pod's node selector and required node affinity admit a node. */
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from '../api/kinds/core/v1.ts'
import { selectsAll } from '../api/selectors.ts'

function matchesRequirement({ key, operator, values = [] }: NodeSelectorRequirement, facts: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(facts, key) ? facts[key] : undefined
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
      return value !== undefined && Number(value) > Number(values[0])
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0])
    default:
      return false
  }
}

/** A term without requirements matches nothing. */
function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false
  const labels = node.metadata.labels ?? {}
  const fields = { 'metadata.name': node.metadata.name }
  return matchExpressions.every((r) => matchesRequirement(r, labels)) && matchFields.every((r) => matchesRequirement(r, fields))
}

export function matchesNodeTerms(terms: readonly NodeSelectorTerm[], node: Node): boolean {
  return terms.some((term) => matchesTerm(term, node))
}

export function admitsNode(spec: Pick<PodSpec, 'nodeSelector' | 'affinity'> | undefined, node: Node): boolean {
  if (!selectsAll(spec?.nodeSelector ?? {}, node.metadata.labels)) return false
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return !required || matchesNodeTerms(required.nodeSelectorTerms, node)
}
