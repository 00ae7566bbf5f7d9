/** PodTopologySpread: pods of one kind spread evenly over zones, nodes or any other label of the nodes. */
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { deepEqual } from '../../api/meta.ts'
import { ADD, DELETE, UPDATE_NODE_LABEL, UPDATE_NODE_TAINT, UPDATE_POD_LABEL, UPDATE_POD_TOLERATION, type ClusterEvent } from '../events.ts'
import { FITS, MAX_NODE_SCORE, refuses, type Plugin, type Prepared, type Scoring, type View } from '../framework.ts'
import type { NodeInfo } from '../nodeInfo.ts'
import type { PodGroup } from '../podGroup.ts'
import type { PodInfo } from '../podInfo.ts'
import { NO_DOMAIN, type Topology } from '../topologies.ts'
import { constraintsOf, hasAllKeys, type Constraint, type TopologySpreadArgs } from './spreadConstraints.ts'

const REASON = "node(s) didn't match pod topology spread constraints"
const MISSING_LABEL = `${REASON} (missing required label)`
const HOSTNAME = 'kubernetes.io/hostname'

function selectedGroups({ matches, isEmpty }: Constraint, namespace: string, view: View): readonly PodGroup[] {
  if (isEmpty) return []
  return [...view.groupsIn(namespace)].filter((group) => !group.isTerminating && matches(group.labels))
}

/**
 * The replicas of one template are one group, or one for each zone that they are labelled with once bound: their own counts will do.
 * With more groups (pods labelled by name) it is less work to bring them together first.
 */
const FEW_GROUPS_MAX = 16

/** How many of the groups' pods are on each node; nodes without any are not in it. */
function countByNode(groups: readonly PodGroup[]): ReadonlyMap<NodeInfo, number> {
  if (groups.length === 1) return (groups[0] as PodGroup).nodes
  const counts = new Map<NodeInfo, number>()
  for (const { nodes } of groups) for (const [node, count] of nodes) counts.set(node, (counts.get(node) ?? 0) + count)
  return counts
}

/** Pods of a kind by value of a constraint's topology key, and the lowest of these counts. */
class Domains {
  readonly #counts = new Map<string, number>()
  #lowest: number | undefined

  get size(): number {
    return this.#counts.size
  }

  has(value: string): boolean {
    return this.#counts.has(value)
  }

  of(value: string): number {
    return this.#counts.get(value) ?? 0
  }

  add(value: string, count: number): void {
    this.#counts.set(value, this.of(value) + count)
    this.#lowest = undefined
  }

  /** Too few domains count as one that is empty. */
  lowest(minDomains: number): number {
    if (this.#counts.size < minDomains) return 0
    if (this.#lowest === undefined) {
      this.#lowest = Infinity
      for (const count of this.#counts.values()) this.#lowest = Math.min(this.#lowest, count)
    }
    return this.#lowest
  }
}

function domainsOf(constraint: Constraint, all: readonly Constraint[], namespace: string, view: View): Domains {
  const domains = new Domains()
  const onNodes = countByNode(selectedGroups(constraint, namespace, view))
  for (const info of view.nodes)
    if (hasAllKeys(info.node, all) && (constraint.isEligible?.(info.node) ?? true))
      domains.add(info.node.metadata.labels?.[constraint.topologyKey] as string, onNodes.get(info) ?? 0)
  return domains
}

function prepareFilter({ pod }: PodInfo, view: View, args: TopologySpreadArgs): Prepared | undefined {
  const constraints = constraintsOf(pod, 'DoNotSchedule', args)
  if (constraints.length === 0) return undefined
  const { namespace, labels: own } = pod.metadata
  const domains = constraints.map((constraint) => domainsOf(constraint, constraints, namespace, view))
  const isSelf = constraints.map(({ matches }) => (matches(own) ? 1 : 0))
  const count = (other: PodInfo, { node }: NodeInfo, change: number): void => {
    const { metadata } = other.pod
    if (metadata.namespace !== namespace || metadata.deletionTimestamp || !hasAllKeys(node, constraints)) return
    constraints.forEach((constraint, i) => {
      if (constraint.matches(metadata.labels) && (constraint.isEligible?.(node) ?? true))
        domains[i]?.add(node.metadata.labels?.[constraint.topologyKey] as string, change)
    })
  }
  return {
    filter({ node }) {
      for (const [i, { topologyKey, maxSkew, minDomains }] of constraints.entries()) {
        const value = node.metadata.labels?.[topologyKey]
        if (value === undefined) return refuses(MISSING_LABEL, false)
        const counts = domains[i] as Domains
        if (counts.of(value) + (isSelf[i] as number) - counts.lowest(minDomains) > maxSkew) return refuses(REASON, true)
      }
      return FITS
    },
    addPod: (other, node) => count(other, node, 1),
    removePod: (other, node) => count(other, node, -1),
  }
}

type Counts = readonly (number | undefined)[]

function counterByNode(groups: readonly PodGroup[]): (node: NodeInfo) => number {
  if (groups.length > FEW_GROUPS_MAX) {
    const onNodes = countByNode(groups)
    return (node) => onNodes.get(node) ?? 0
  }
  return (node) => {
    let count = 0
    for (const { nodes } of groups) count += nodes.get(node) ?? 0
    return count
  }
}

/** How many of the groups' pods are in each domain, on nodes that count. */
function countByDomain(
  { isEligible }: Constraint,
  groups: readonly PodGroup[],
  topology: Topology,
  isCounted?: (node: Node) => boolean,
): Counts {
  const counts: number[] = []
  if (groups.length <= FEW_GROUPS_MAX && !isEligible && !isCounted) {
    for (const group of groups)
      for (const [domain, count] of group.countsByDomain(topology).entries()) counts[domain] = (counts[domain] ?? 0) + (count ?? 0)
    return counts
  }
  for (const [info, count] of countByNode(groups)) {
    if (!info.exists || isCounted?.(info.node) === false || isEligible?.(info.node) === false) continue
    const domain = topology.bySlot[info.slot] ?? NO_DOMAIN
    counts[domain] = (counts[domain] ?? 0) + count
  }
  return counts
}

/** How one constraint scores a node, by the counts of the candidates' domains only; nothing for nodes without the label. */
function scoringOf(
  constraint: Constraint,
  candidates: readonly NodeInfo[],
  view: View,
  groups: readonly PodGroup[],
  isCounted?: (node: Node) => boolean,
): (node: NodeInfo) => number {
  const { topologyKey, maxSkew } = constraint
  const topology = view.topology(topologyKey)
  const { bySlot } = topology
  const lacksLabel = ({ slot, node }: NodeInfo): boolean => bySlot[slot] === NO_DOMAIN && node.metadata.labels?.[topologyKey] === undefined
  // Small topologies are not to be watered down by big ones.
  if (topologyKey === HOSTNAME) {
    const countOn = counterByNode(groups)
    const weight = Math.log(candidates.length + 2)
    return (node) => (lacksLabel(node) ? 0 : countOn(node) * weight + (maxSkew - 1))
  }
  const domains = new Set<number | undefined>()
  for (const { slot } of candidates) domains.add(bySlot[slot])
  const counts = countByDomain(constraint, groups, topology, isCounted)
  const weight = Math.log(domains.size + 2)
  return (node) => (lacksLabel(node) ? 0 : (counts[bySlot[node.slot] as number] ?? 0) * weight + (maxSkew - 1))
}

function prepareScore({ pod }: PodInfo, view: View, nodes: readonly NodeInfo[], args: TopologySpreadArgs): Scoring | undefined {
  const constraints = constraintsOf(pod, 'ScheduleAnyway', args)
  if (constraints.length === 0) return undefined
  const needsAllKeys = (pod.spec.topologySpreadConstraints ?? []).length > 0 || !args.isSystemDefaulted
  const hasAll = (node: Node): boolean => hasAllKeys(node, constraints)
  const ignored = new Set(needsAllKeys ? nodes.filter(({ node }) => !hasAll(node)) : [])
  const candidates = ignored.size > 0 ? nodes.filter((node) => !ignored.has(node)) : nodes
  // With one constraint, nodes that lack its key are in no domain that a candidate is in.
  const isCounted = needsAllKeys && constraints.length > 1 ? hasAll : undefined
  const selected = new Map<Constraint['matches'], readonly PodGroup[]>()
  const scorings = constraints.map((constraint) => {
    const groups = selected.get(constraint.matches) ?? selectedGroups(constraint, pod.metadata.namespace, view)
    selected.set(constraint.matches, groups)
    return scoringOf(constraint, candidates, view, groups, isCounted)
  })
  const isIgnored = (node: NodeInfo): boolean => ignored.size > 0 && ignored.has(node)
  return {
    of(info) {
      if (isIgnored(info)) return 0
      let score = 0
      for (const scoring of scorings) score += scoring(info)
      return Math.round(score)
    },
    normalize(scores, scored) {
      let [min, max] = [Infinity, 0]
      for (let i = 0; i < scored.length; i++) {
        if (isIgnored(scored[i] as NodeInfo)) continue
        min = Math.min(min, scores[i] as number)
        max = Math.max(max, scores[i] as number)
      }
      return scores.map((score, i) => {
        if (isIgnored(scored[i] as NodeInfo)) return 0
        return max === 0 ? MAX_NODE_SCORE : Math.floor((MAX_NODE_SCORE * (max + min - score)) / max)
      })
    },
  }
}

function isHelpedByPod(pod: Pod, { before, after }: ClusterEvent, args: TopologySpreadArgs): boolean {
  const isOwn = (after ?? before)?.metadata.uid === pod.metadata.uid
  const counts = ({ spec, metadata }: Pod): boolean => Boolean(spec.nodeName) && metadata.namespace === pod.metadata.namespace
  if (!isOwn && [before, after].some((one) => one && !counts(one as Pod))) return false
  const constraints = constraintsOf(pod, 'DoNotSchedule', args)
  const [old, now] = [before as Pod | undefined, after as Pod | undefined]
  if (isOwn && !deepEqual(old?.spec.tolerations, now?.spec.tolerations) && constraints.some(({ honorsTaints }) => honorsTaints)) return true
  const isCounted = (constraint: Constraint, one: Pod | undefined): boolean => one !== undefined && constraint.matches(one.metadata.labels)
  return constraints.some((constraint) => isCounted(constraint, old) !== isCounted(constraint, now))
}

function isHelpedByNode(pod: Pod, { before, after }: ClusterEvent, args: TopologySpreadArgs): boolean {
  const constraints = constraintsOf(pod, 'DoNotSchedule', args)
  const has = (node: Node | undefined): boolean => node !== undefined && hasAllKeys(node, constraints)
  const [old, now] = [before as Node | undefined, after as Node | undefined]
  if (!has(old) && !has(now)) return false
  if (!old || !now || has(old) !== has(now)) return true
  const isMoved = constraints.some(({ topologyKey }) => old.metadata.labels?.[topologyKey] !== now.metadata.labels?.[topologyKey])
  return isMoved || !deepEqual(old.spec.taints, now.spec.taints)
}

export function newTopologySpread(args: TopologySpreadArgs): Plugin {
  return {
    name: 'PodTopologySpread',
    events: [
      {
        resource: 'Pod',
        actions: ADD | DELETE | UPDATE_POD_LABEL | UPDATE_POD_TOLERATION,
        mayHelp: (pod, event) => isHelpedByPod(pod, event, args),
      },
      {
        resource: 'Node',
        actions: ADD | DELETE | UPDATE_NODE_LABEL | UPDATE_NODE_TAINT,
        mayHelp: (pod, event) => isHelpedByNode(pod, event, args),
      },
    ],
    prepare: (info, view) => prepareFilter(info, view, args),
    score: (info, view, nodes) => prepareScore(info, view, nodes, args),
  }
}
