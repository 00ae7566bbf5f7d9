/** What a pod asks for about the spread of its kind: its own constraints, or the defaults of the configuration. */
import type { Node, Pod, TopologySpreadConstraint } from '../../api/kinds/core/v1.ts'
import { matchesRequiredNodeAffinity } from '../../api/nodeSelector.ts'
import { labelMatcher, type Labels } from '../../api/selectors.ts'
import { toleratesHardTaints } from './taints.ts'

/** What of a constraint a configuration may give to pods that have none. */
export type DefaultConstraint = Pick<TopologySpreadConstraint, 'maxSkew' | 'topologyKey' | 'whenUnsatisfiable'>

export const SYSTEM_DEFAULTS: readonly DefaultConstraint[] = [
  { topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
]

export interface TopologySpreadArgs {
  defaultConstraints: readonly DefaultConstraint[]
  /** The defaults are the system's: nodes without a zone count for what they have. */
  isSystemDefaulted: boolean
  /** Which pods are of one kind with a pod, by the services and controllers that select it; undefined where none does. */
  selectorOf(pod: Pod): ((labels: Labels) => boolean) | undefined
}

export interface Constraint {
  readonly topologyKey: string
  readonly maxSkew: number
  readonly minDomains: number
  readonly matches: (labels: Labels) => boolean
  /** A selector without requirements counts no pods that are there, though it matches all. */
  readonly isEmpty: boolean
  /** Whether nodes with taints that keep the pod away are left out. */
  readonly honorsTaints: boolean
  /** Nodes whose pods count; all of them where it is undefined. */
  readonly isEligible?: (node: Node) => boolean
}

const isEmptySelector = (selector: TopologySpreadConstraint['labelSelector']): boolean =>
  selector !== undefined && Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0

const isChoosy = ({ spec }: Pod): boolean => spec.nodeSelector !== undefined || spec.affinity?.nodeAffinity !== undefined

function ownConstraint(constraint: TopologySpreadConstraint, pod: Pod): Constraint {
  const selects = labelMatcher(constraint.labelSelector)
  const own = (constraint.matchLabelKeys ?? []).filter((key) => pod.metadata.labels?.[key] !== undefined)
  const honorsAffinity = constraint.nodeAffinityPolicy !== 'Ignore' && isChoosy(pod)
  const honorsTaints = constraint.nodeTaintsPolicy === 'Honor'
  const isEligible = (node: Node): boolean =>
    (!honorsAffinity || matchesRequiredNodeAffinity(pod.spec, node)) && (!honorsTaints || toleratesHardTaints(pod, node))
  return {
    topologyKey: constraint.topologyKey,
    maxSkew: constraint.maxSkew,
    minDomains: constraint.minDomains ?? 1,
    matches: (labels) => selects(labels) && own.every((key) => labels?.[key] === pod.metadata.labels?.[key]),
    isEmpty: own.length === 0 && isEmptySelector(constraint.labelSelector),
    honorsTaints,
    ...((honorsAffinity || honorsTaints) && { isEligible }),
  }
}

/** Those of the pod's own, or where it has none the defaults, that act as `when` says. */
export function constraintsOf(pod: Pod, when: string, args: TopologySpreadArgs): Constraint[] {
  const own = pod.spec.topologySpreadConstraints ?? []
  if (own.length > 0) return own.filter((c) => c.whenUnsatisfiable === when).map((c) => ownConstraint(c, pod))
  const defaults = args.defaultConstraints.filter((c) => c.whenUnsatisfiable === when)
  const matches = defaults.length > 0 ? args.selectorOf(pod) : undefined
  if (!matches) return []
  return defaults.map(({ topologyKey, maxSkew }) => ({
    topologyKey,
    maxSkew,
    minDomains: 1,
    matches,
    isEmpty: false,
    honorsTaints: false,
    ...(isChoosy(pod) && { isEligible: (node: Node) => matchesRequiredNodeAffinity(pod.spec, node) }),
  }))
}

export const hasAllKeys = ({ metadata }: Node, constraints: readonly Constraint[]): boolean =>
  constraints.every(({ topologyKey }) => metadata.labels?.[topologyKey] !== undefined)
