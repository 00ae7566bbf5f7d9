/** NodeAffinity: `nodeSelector` and node affinity, required and preferred, and what the configuration adds to every pod. */
import type { Node, NodeAffinity, NodeSelector, PreferredSchedulingTerm } from '../../api/kinds/core/v1.ts'
import { matchesNodeSelectorTerm, matchesNodeSelectorTerms, matchesRequiredNodeAffinity } from '../../api/nodeSelector.ts'
import { ADD, UPDATE_NODE_LABEL, type ClusterEvent } from '../events.ts'
import { FITS, normalizeByMax, refuses, type Plugin } from '../framework.ts'

const REASON = "node(s) didn't match Pod's node affinity/selector"
const ENFORCED = "node(s) didn't match scheduler-enforced node affinity"

/** The nodes that all alternatives name by `metadata.name`; undefined where one of them does not. */
function namedNodes(required: NodeSelector | undefined): ReadonlySet<string> | 'conflict' | undefined {
  const names = new Set<string>()
  for (const { matchFields = [] } of required?.nodeSelectorTerms ?? []) {
    const fields = matchFields.filter(({ key, operator }) => key === 'metadata.name' && operator === 'In')
    if (fields.length === 0) return undefined
    const [first = [], ...rest] = fields.map(({ values }) => values ?? [])
    for (const name of first) if (rest.every((values) => values.includes(name))) names.add(name)
  }
  if (!required || required.nodeSelectorTerms.length === 0) return undefined
  return names.size > 0 ? names : 'conflict'
}

const preference = (terms: readonly PreferredSchedulingTerm[], node: Node): number =>
  terms.reduce((sum, { weight, preference: term }) => sum + (matchesNodeSelectorTerm(term, node) ? weight : 0), 0)

export function newNodeAffinity(added: NodeAffinity | undefined): Plugin {
  const enforced = added?.requiredDuringSchedulingIgnoredDuringExecution
  const isEnforcedOn = (node: Node): boolean => !enforced || matchesNodeSelectorTerms(enforced.nodeSelectorTerms, node)
  return {
    name: 'NodeAffinity',
    isLocal: true,
    events: [
      {
        resource: 'Node',
        actions: ADD | UPDATE_NODE_LABEL,
        mayHelp({ spec }, { before, after }: ClusterEvent) {
          const fits = (node: Node): boolean => isEnforcedOn(node) && matchesRequiredNodeAffinity(spec, node)
          return after !== undefined && fits(after as Node) && !(before && fits(before as Node))
        },
      },
    ],
    prepare({ pod: { spec } }) {
      const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
      if (!enforced && !required && !spec.nodeSelector) return undefined
      const nodes = namedNodes(required)
      if (nodes === 'conflict') return refuses('pod affinity terms conflict', false)
      return {
        ...(nodes && { nodes }),
        filter({ node }) {
          if (!isEnforcedOn(node)) return refuses(ENFORCED, false)
          return matchesRequiredNodeAffinity(spec, node) ? FITS : refuses(REASON, false)
        },
      }
    },
    score({ pod }) {
      const terms = [
        ...(added?.preferredDuringSchedulingIgnoredDuringExecution ?? []),
        ...(pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []),
      ]
      if (terms.length === 0) return undefined
      return { of: ({ node }) => preference(terms, node), normalize: (scores) => normalizeByMax(scores, false) }
    },
  }
}
