/** InterPodAffinity: pods that want to be near other pods, or far from them; also what the pods that run already want. */
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { ADD, DELETE, UPDATE_NODE_LABEL, UPDATE_POD_LABEL, type ClusterEvent } from '../events.ts'
import { FITS, MAX_NODE_SCORE, refuses, type Plugin, type Prepared, type View } from '../framework.ts'
import type { NodeInfo } from '../nodeInfo.ts'
import type { PodGroup } from '../podGroup.ts'
import { wishesOf, type AffinityTerm, type NamespaceLabels, type PodInfo } from '../podInfo.ts'

const AFFINITY = "node(s) didn't match pod affinity rules"
const ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
const EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"

export interface InterPodAffinityArgs {
  /** What an existing pod's required affinity counts for in scores. */
  hardPodAffinityWeight: number
  ignorePreferredTermsOfExistingPods: boolean
}

/** Numbers by topology key and value. */
class Places {
  readonly #byKey = new Map<string, Map<string, number>>()

  get isEmpty(): boolean {
    return this.#byKey.size === 0
  }

  add(key: string, value: string | undefined, amount: number): void {
    if (value === undefined || amount === 0) return
    let values = this.#byKey.get(key)
    if (!values) this.#byKey.set(key, (values = new Map()))
    const sum = (values.get(value) ?? 0) + amount
    if (sum === 0) values.delete(value)
    else values.set(value, sum)
    if (values.size === 0) this.#byKey.delete(key)
  }

  at(key: string, value: string | undefined): number {
    return value === undefined ? 0 : (this.#byKey.get(key)?.get(value) ?? 0)
  }

  sum(labels: Readonly<Record<string, string>>): number {
    let sum = 0
    for (const [key, values] of this.#byKey) {
      const value = labels[key]
      if (value !== undefined) sum += values.get(value) ?? 0
    }
    return sum
  }

  some(labels: Readonly<Record<string, string>>): boolean {
    for (const [key, values] of this.#byKey) {
      const value = labels[key]
      if (value !== undefined && (values.get(value) ?? 0) > 0) return true
    }
    return false
  }
}

const valueOf = ({ node }: NodeInfo, key: string): string | undefined => node.metadata.labels?.[key]

function addGroup(places: Places, term: AffinityTerm, { nodes }: PodGroup, factor: number): void {
  for (const [node, count] of nodes) if (node.exists) places.add(term.topologyKey, valueOf(node, term.topologyKey), factor * count)
}

/** Adds `factor` for each pod that a term selects, wherever it is. */
function addSelected(places: Places, term: AffinityTerm, view: View, labelsOf: NamespaceLabels, factor: number): void {
  for (const group of view.groups()) if (term.selects(group.namespace, group.labels, labelsOf)) addGroup(places, term, group, factor)
}

interface State {
  /** Places of pods that all of the required affinity terms select. */
  near: Places
  far: Places
  /** Places that existing pods' required anti-affinity closes to the pod. */
  closed: Places
}

const selectsPod = (term: AffinityTerm, { metadata }: Pod, labelsOf: NamespaceLabels): boolean =>
  term.selects(metadata.namespace, metadata.labels, labelsOf)

/** Counts one more (or less) pod on a node into what was prepared for `info`. */
function countPod(state: State, info: PodInfo, other: PodInfo, node: NodeInfo, labelsOf: NamespaceLabels, sign: 1 | -1): void {
  const { requiredAffinity, requiredAntiAffinity } = info.wishes
  if (requiredAffinity.length > 0 && requiredAffinity.every((term) => selectsPod(term, other.pod, labelsOf)))
    for (const { topologyKey } of requiredAffinity) state.near.add(topologyKey, valueOf(node, topologyKey), sign)
  for (const term of requiredAntiAffinity)
    if (selectsPod(term, other.pod, labelsOf)) state.far.add(term.topologyKey, valueOf(node, term.topologyKey), sign)
  for (const term of other.wishes.requiredAntiAffinity)
    if (selectsPod(term, info.pod, labelsOf)) state.closed.add(term.topologyKey, valueOf(node, term.topologyKey), sign)
}

function initialState(info: PodInfo, view: View, labelsOf: NamespaceLabels): State {
  const state: State = { near: new Places(), far: new Places(), closed: new Places() }
  const { requiredAffinity, requiredAntiAffinity } = info.wishes
  if (requiredAffinity.length > 0)
    for (const group of view.groups())
      if (requiredAffinity.every((term) => term.selects(group.namespace, group.labels, labelsOf)))
        for (const term of requiredAffinity) addGroup(state.near, term, group, 1)
  for (const term of requiredAntiAffinity) addSelected(state.far, term, view, labelsOf, 1)
  for (const group of view.groupsWithAffinity())
    for (const term of group.wishes.requiredAntiAffinity) if (selectsPod(term, info.pod, labelsOf)) addGroup(state.closed, term, group, 1)
  return state
}

function prepare(info: PodInfo, view: View, labelsOf: NamespaceLabels): Prepared | undefined {
  const { requiredAffinity, requiredAntiAffinity } = info.wishes
  const state = initialState(info, view, labelsOf)
  if (requiredAffinity.length + requiredAntiAffinity.length === 0 && state.closed.isEmpty) return undefined
  const wantsItself = requiredAffinity.every((term) => selectsPod(term, info.pod, labelsOf))
  return {
    filter(node) {
      const labels = node.node.metadata.labels ?? {}
      if (requiredAffinity.length > 0) {
        if (requiredAffinity.some(({ topologyKey }) => labels[topologyKey] === undefined)) return refuses(AFFINITY, false)
        const isNear = requiredAffinity.every(({ topologyKey }) => state.near.at(topologyKey, labels[topologyKey]) > 0)
        // The first pod of a group may want to be near its own kind: nobody is there yet.
        if (!isNear && !(state.near.isEmpty && wantsItself)) return refuses(AFFINITY, false)
      }
      if (requiredAntiAffinity.some(({ topologyKey }) => state.far.at(topologyKey, labels[topologyKey]) > 0))
        return refuses(ANTI_AFFINITY, true)
      return state.closed.some(labels) ? refuses(EXISTING_ANTI_AFFINITY, true) : FITS
    },
    addPod: (other, node) => countPod(state, info, other, node, labelsOf, 1),
    removePod: (other, node) => countPod(state, info, other, node, labelsOf, -1),
  }
}

/** What the pod wishes of existing pods and they of it, as points by place. */
function points(info: PodInfo, view: View, labelsOf: NamespaceLabels, args: InterPodAffinityArgs): Places {
  const places = new Places()
  const { preferredAffinity, preferredAntiAffinity } = info.wishes
  for (const term of preferredAffinity) addSelected(places, term, view, labelsOf, term.weight)
  for (const term of preferredAntiAffinity) addSelected(places, term, view, labelsOf, -term.weight)
  if (args.ignorePreferredTermsOfExistingPods && preferredAffinity.length + preferredAntiAffinity.length === 0) return places
  for (const group of view.groupsWithAffinity()) {
    const give = (terms: readonly AffinityTerm[], factor: (term: AffinityTerm) => number): void => {
      for (const term of terms) if (selectsPod(term, info.pod, labelsOf)) addGroup(places, term, group, factor(term))
    }
    give(group.wishes.requiredAffinity, () => args.hardPodAffinityWeight)
    give(group.wishes.preferredAffinity, ({ weight }) => weight)
    give(group.wishes.preferredAntiAffinity, ({ weight }) => -weight)
  }
  return places
}

function normalize(scores: readonly number[]): number[] {
  const max = scores.reduce((most, score) => Math.max(most, score), -Infinity)
  const min = scores.reduce((least, score) => Math.min(least, score), Infinity)
  return scores.map((score) => (max === min ? 0 : Math.floor((MAX_NODE_SCORE * (score - min)) / (max - min))))
}

function isHelpedByPod(pod: Pod, { before, after }: ClusterEvent, labelsOf: NamespaceLabels): boolean {
  const other = (after ?? before) as Pod
  if (other.metadata.uid === pod.metadata.uid) return true
  if (!other.spec.nodeName) return false
  const { requiredAffinity, requiredAntiAffinity } = wishesOf(pod)
  const isSelected = (term: AffinityTerm, one: ClusterEvent['after']): boolean =>
    one !== undefined && selectsPod(term, one as Pod, labelsOf)
  const isNear = (one: ClusterEvent['after']): boolean =>
    requiredAffinity.length > 0 && requiredAffinity.every((term) => isSelected(term, one))
  if (isNear(after) && !isNear(before)) return true
  if (requiredAntiAffinity.some((term) => isSelected(term, before) && !isSelected(term, after))) return true
  // A pod that minded this one is gone.
  return after === undefined && wishesOf(other).requiredAntiAffinity.some((term) => selectsPod(term, pod, labelsOf))
}

function isHelpedByNode(pod: Pod, { before, after }: ClusterEvent): boolean {
  const { requiredAffinity, requiredAntiAffinity } = wishesOf(pod)
  const [old, now] = [(before as Node | undefined)?.metadata.labels ?? {}, (after as Node).metadata.labels ?? {}]
  if (!before && requiredAntiAffinity.length > 0) return true
  // Near others a node counts once it has the label, far from others once it has it no more.
  const isGained = requiredAffinity.some(({ topologyKey }) => now[topologyKey] !== undefined && now[topologyKey] !== old[topologyKey])
  return isGained || requiredAntiAffinity.some(({ topologyKey }) => old[topologyKey] !== undefined && now[topologyKey] !== old[topologyKey])
}

export function newInterPodAffinity(args: InterPodAffinityArgs, labelsOf: NamespaceLabels): Plugin {
  return {
    name: 'InterPodAffinity',
    events: [
      {
        resource: 'Pod',
        actions: ADD | DELETE | UPDATE_POD_LABEL,
        mayHelp: (pod, event) => isHelpedByPod(pod, event, labelsOf),
      },
      { resource: 'Node', actions: ADD | UPDATE_NODE_LABEL, mayHelp: isHelpedByNode },
    ],
    prepare: (info, view) => prepare(info, view, labelsOf),
    score(info, view) {
      const places = points(info, view, labelsOf, args)
      if (places.isEmpty) return undefined
      return { of: ({ node }) => places.sum(node.metadata.labels ?? {}), normalize }
    },
  }
}
