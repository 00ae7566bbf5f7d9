/** InterPodAffinity: pods that want to be near other pods, or far from them; also what the pods that run already want. */
import type { Namespace, Pod, PodAffinityTerm, WeightedPodAffinityTerm } from '../../api/kinds/core/v1.ts'
import { labelMatcher, type Labels } from '../../api/selectors.ts'
import type { Lister } from '../../client/informer.ts'
import { FITS, MAX_NODE_SCORE, refuses, type FilterPlugin, type NodeInfo, type ScorePlugin, type Snapshot } from '../framework.ts'

const AFFINITY = "node(s) didn't match pod affinity rules"
const ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
const EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"
/** What an existing pod's required affinity counts for in scores. */
const HARD_AFFINITY_WEIGHT = 1

interface Term {
  topologyKey: string
  /** Whether the term speaks of this pod. */
  selects(pod: Pod): boolean
}

function termOf(term: PodAffinityTerm, owner: Pod, namespaces: Lister<Namespace>): Term {
  const matches = labelMatcher(term.labelSelector)
  const own = owner.metadata.labels ?? {}
  const equal = (term.matchLabelKeys ?? []).filter((key) => own[key] !== undefined)
  const different = (term.mismatchLabelKeys ?? []).filter((key) => own[key] !== undefined)
  const named = new Set(term.namespaces ?? (term.namespaceSelector ? [] : [owner.metadata.namespace]))
  const inNamespace = term.namespaceSelector ? labelMatcher(term.namespaceSelector) : undefined
  const selectsLabels = (labels: Labels): boolean =>
    matches(labels) && equal.every((key) => labels?.[key] === own[key]) && different.every((key) => labels?.[key] !== own[key])
  return {
    topologyKey: term.topologyKey,
    selects({ metadata }) {
      const here = named.has(metadata.namespace) || (inNamespace?.(namespaces.get(metadata.namespace)?.metadata.labels) ?? false)
      return here && selectsLabels(metadata.labels)
    },
  }
}

const valueOf = (info: NodeInfo, key: string): string | undefined => info.node.metadata.labels?.[key]

/** How many selected pods there are, by value of the term's topology key. */
function countByTopology(term: Term, snapshot: Snapshot): Map<string, number> {
  const counts = new Map<string, number>()
  for (const info of snapshot.nodes) {
    const value = valueOf(info, term.topologyKey)
    if (value === undefined) continue
    const count = info.pods.filter((pod) => !pod.metadata.deletionTimestamp && term.selects(pod)).length
    if (count > 0) counts.set(value, (counts.get(value) ?? 0) + count)
  }
  return counts
}

/** `key=value` of every place that an existing pod's required anti-affinity closes to the pod. */
function closedPlaces(pod: Pod, snapshot: Snapshot, namespaces: Lister<Namespace>): Set<string> {
  const closed = new Set<string>()
  for (const info of snapshot.nodes)
    for (const other of info.pods)
      for (const term of other.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
        const value = valueOf(info, term.topologyKey)
        if (value !== undefined && termOf(term, other, namespaces).selects(pod)) closed.add(`${term.topologyKey}=${value}`)
      }
  return closed
}

export function interPodAffinityFilter(namespaces: Lister<Namespace>): FilterPlugin {
  return {
    name: 'InterPodAffinity',
    prepare(pod, snapshot) {
      const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {}
      const counted = (terms: readonly PodAffinityTerm[] = []): { term: Term; counts: Map<string, number> }[] =>
        terms.map((t) => termOf(t, pod, namespaces)).map((term) => ({ term, counts: countByTopology(term, snapshot) }))
      const near = counted(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution)
      const far = counted(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution)
      const closed = closedPlaces(pod, snapshot, namespaces)
      // The first pod of a group may want to be near its own kind: nobody is there yet.
      const isFirst = near.length > 0 && near.every(({ term, counts }) => counts.size === 0 && term.selects(pod))
      return (info) => {
        if (near.some(({ term }) => valueOf(info, term.topologyKey) === undefined)) return refuses(AFFINITY, false)
        if (!isFirst && near.some(({ term, counts }) => !counts.has(valueOf(info, term.topologyKey) ?? ''))) return refuses(AFFINITY, false)
        if (far.some(({ term, counts }) => counts.has(valueOf(info, term.topologyKey) ?? ''))) return refuses(ANTI_AFFINITY, true)
        const isClosed = Object.entries(info.node.metadata.labels ?? {}).some(([key, value]) => closed.has(`${key}=${value}`))
        return isClosed ? refuses(EXISTING_ANTI_AFFINITY, true) : FITS
      }
    },
  }
}

/** The wishes of existing pods about the pod, as points by `key=value`. */
function wishesOfOthers(
  pod: Pod,
  snapshot: Snapshot,
  namespaces: Lister<Namespace>,
  add: (key: string, value: string, points: number) => void,
): void {
  for (const info of snapshot.nodes)
    for (const other of info.pods) {
      const { podAffinity, podAntiAffinity } = other.spec.affinity ?? {}
      const give = (terms: readonly WeightedPodAffinityTerm[] = [], sign: number): void => {
        for (const { weight, podAffinityTerm } of terms) {
          const value = valueOf(info, podAffinityTerm.topologyKey)
          if (value !== undefined && termOf(podAffinityTerm, other, namespaces).selects(pod))
            add(podAffinityTerm.topologyKey, value, sign * weight)
        }
      }
      give(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution, 1)
      give(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution, -1)
      const hard = podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
      give(
        hard.map((podAffinityTerm) => ({ weight: HARD_AFFINITY_WEIGHT, podAffinityTerm })),
        1,
      )
    }
}

export function interPodAffinityScore(namespaces: Lister<Namespace>): ScorePlugin {
  return {
    name: 'InterPodAffinity',
    weight: 2,
    prepare(pod, snapshot) {
      const points = new Map<string, number>()
      const add = (key: string, value: string, more: number): void => {
        points.set(`${key}=${value}`, (points.get(`${key}=${value}`) ?? 0) + more)
      }
      const own = (terms: readonly WeightedPodAffinityTerm[] = [], sign: number): void => {
        for (const { weight, podAffinityTerm } of terms) {
          const term = termOf(podAffinityTerm, pod, namespaces)
          for (const [value, count] of countByTopology(term, snapshot)) add(term.topologyKey, value, sign * weight * count)
        }
      }
      own(pod.spec.affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution, 1)
      own(pod.spec.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution, -1)
      wishesOfOthers(pod, snapshot, namespaces, add)
      if (points.size === 0) return undefined
      return ({ node }) =>
        Object.entries(node.metadata.labels ?? {}).reduce((sum, [key, value]) => sum + (points.get(`${key}=${value}`) ?? 0), 0)
    },
    normalize(scores) {
      const max = Math.max(...scores)
      const min = Math.min(...scores)
      return scores.map((score) => (max === min ? 0 : Math.floor((MAX_NODE_SCORE * (score - min)) / (max - min))))
    },
  }
}
