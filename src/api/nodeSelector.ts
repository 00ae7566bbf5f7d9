/** Which nodes a node selector admits (k8s.io/component-helpers/scheduling/corev1/nodeaffinity). */
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from './kinds/core/v1.ts'
import { matchesLabels, selectsAll, type LabelOperator } from './selectors.ts'

const OPERATORS: Readonly<Record<string, LabelOperator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
  Gt: 'gt',
  Lt: 'lt',
}
/** Stored objects are validated, but a bound that is no integer must match nothing rather than throw. */
const INTEGER_RE = /^[+-]?\d{1,19}$/

function matchesRequirement({ key, operator, values = [] }: NodeSelectorRequirement, facts: Readonly<Record<string, string>>): boolean {
  const known = OPERATORS[operator]
  if (!known || ((known === 'gt' || known === 'lt') && !INTEGER_RE.test(values[0] ?? ''))) return false
  return matchesLabels([{ key, operator: known, values }], facts)
}

/** A term without requirements matches nothing. */
export function matchesNodeSelectorTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false
  const labels = node.metadata.labels ?? {}
  const fields = { 'metadata.name': node.metadata.name }
  return matchExpressions.every((r) => matchesRequirement(r, labels)) && matchFields.every((r) => matchesRequirement(r, fields))
}

/** Terms are alternatives. */
export function matchesNodeSelectorTerms(terms: readonly NodeSelectorTerm[], node: Node): boolean {
  return terms.some((term) => matchesNodeSelectorTerm(term, node))
}

/** Whether a pod's node selector and required node affinity admit a node. */
export function matchesRequiredNodeAffinity(spec: Pick<PodSpec, 'nodeSelector' | 'affinity'> | undefined, node: Node): boolean {
  if (!selectsAll(spec?.nodeSelector, node.metadata.labels)) return false
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return !required || matchesNodeSelectorTerms(required.nodeSelectorTerms, node)
}
