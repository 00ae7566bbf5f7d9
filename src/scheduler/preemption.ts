/**
 * What preemption would do, purely: on which node the fewest and least important pods have to go so that a pod fits, PodDisruptionBudgets
 * being broken only where nothing else helps (kube-scheduler's preemption evaluator).
 */
import type { Pod } from '../api/kinds/core/v1.ts'
import type { PodDisruptionBudget } from '../api/kinds/policy/v1.ts'
import { findCondition } from '../api/meta.ts'
import { labelSelectorRequirements, matchesLabels, NOTHING, SelectorError } from '../api/selectors.ts'
import { refuses, type PostFilterInput, type Refusal } from './framework.ts'
import type { NodeInfo } from './nodeInfo.ts'
import { priorityOf, type PodInfo } from './podInfo.ts'

export interface Victims {
  nodeName: string
  /** The most important first. */
  pods: readonly Pod[]
  /** How many of them a budget protects. */
  violations: number
}

/** A pod that its node has not looked at yet starts now, which is after all others. */
const startMs = ({ status }: Pod): number => (status?.startTime === undefined ? Infinity : Date.parse(status.startTime))

/** A node's pods, the most important first: by priority, then by how long they run; of those that have not started the last one. */
export function byImportance(pods: readonly PodInfo[]): PodInfo[] {
  const ranked = pods.map((info, at) => ({ info, priority: priorityOf(info.pod), start: startMs(info.pod), at }))
  ranked.sort((a, b) => {
    if (a.priority !== b.priority) return b.priority - a.priority
    if (a.start !== b.start) return a.start - b.start
    return a.start === Infinity ? b.at - a.at : a.at - b.at
  })
  return ranked.map(({ info }) => info)
}

function protects({ spec, metadata }: PodDisruptionBudget, pod: Pod): boolean {
  if (metadata.namespace !== pod.metadata.namespace || Object.keys(pod.metadata.labels ?? {}).length === 0) return false
  try {
    const requirements = labelSelectorRequirements(spec?.selector)
    return requirements !== NOTHING && requirements.length > 0 && matchesLabels(requirements, pod.metadata.labels)
  } catch (error) {
    if (error instanceof SelectorError) return false
    throw error
  }
}

/** Parts pods (the most important first) into those that a budget protects and the rest. */
function byBudget(pods: readonly PodInfo[], budgets: readonly PodDisruptionBudget[]): { violating: PodInfo[]; others: PodInfo[] } {
  const left = budgets.map(({ status }) => status?.disruptionsAllowed ?? 0)
  const violating: PodInfo[] = []
  const others: PodInfo[] = []
  for (const info of pods) {
    let isViolated = false
    budgets.forEach((budget, i) => {
      if (!protects(budget, info.pod) || budget.status?.disruptedPods?.[info.pod.metadata.name] !== undefined) return
      left[i] = (left[i] as number) - 1
      if ((left[i] as number) < 0) isViolated = true
    })
    ;(isViolated ? violating : others).push(info)
  }
  return { violating, others }
}

/** Who has to go from a node so that the pod fits; the refusal when nobody's going would help. */
export function selectVictims(input: PostFilterInput, node: NodeInfo, budgets: readonly PodDisruptionBudget[]): Victims | Refusal {
  const priority = priorityOf(input.pod.pod)
  const scratch = node.copy()
  const potential = [...node.pods.values()].filter(({ pod }) => priorityOf(pod) < priority)
  if (potential.length === 0) return refuses('No preemption victims found for incoming pod', false)
  const gone = new Set<PodInfo>()
  const remove = (info: PodInfo): void => {
    scratch.remove(info)
    input.removePod(info, scratch)
    gone.add(info)
  }
  const putBack = (info: PodInfo): void => {
    scratch.add(info)
    input.addPod(info, scratch)
    gone.delete(info)
  }
  const isReprieved = (info: PodInfo): boolean => {
    putBack(info)
    if (input.filter(scratch).fits) return true
    remove(info)
    return false
  }
  potential.forEach(remove)
  try {
    const verdict = input.filter(scratch)
    if (!verdict.fits) return verdict
    const { violating, others } = byBudget(byImportance(potential), budgets)
    const violations = violating.filter((info) => !isReprieved(info))
    const rest = others.filter((info) => !isReprieved(info))
    const victims = violations.length > 0 && rest.length > 0 ? byImportance([...violations, ...rest]) : [...violations, ...rest]
    return { nodeName: node.name, pods: victims.map(({ pod }) => pod), violations: violations.length }
  } finally {
    // What was prepared for the pod is shared by all nodes.
    for (const info of gone) input.addPod(info, scratch)
  }
}

/** Among the most important of a node's victims, the one that started first. */
function earliestStart({ pods }: Victims): number {
  const top = pods.reduce((most, pod) => Math.max(most, priorityOf(pod)), -Infinity)
  return pods.filter((pod) => priorityOf(pod) === top).reduce((first, pod) => Math.min(first, startMs(pod)), Infinity)
}

const PRIORITY_OFFSET = 2 ** 31

/** Better candidates have smaller numbers, criterion by criterion. */
const CRITERIA: readonly ((victims: Victims) => number)[] = [
  ({ violations }) => violations,
  ({ pods }) => (pods[0] ? priorityOf(pods[0]) : -Infinity),
  ({ pods }) => pods.reduce((sum, pod) => sum + priorityOf(pod) + PRIORITY_OFFSET, 0),
  ({ pods }) => pods.length,
  (victims) => -earliestStart(victims),
]

export function pickCandidate(candidates: readonly Victims[]): Victims | undefined {
  let left = candidates
  for (const criterion of CRITERIA) {
    if (left.length <= 1) break
    const values = left.map(criterion)
    const best = values.reduce((least, value) => Math.min(least, value), Infinity)
    left = left.filter((_, i) => values[i] === best)
  }
  return left[0]
}

/** Tries nodes from `offset` on until enough candidates are found that break no budget. */
export function dryRun(
  input: PostFilterInput,
  nodes: readonly NodeInfo[],
  budgets: readonly PodDisruptionBudget[],
  { offset, enough }: { offset: number; enough: number },
): { candidates: Victims[]; refusals: Map<string, Refusal> } {
  const harmless: Victims[] = []
  const violating: Victims[] = []
  const refusals = new Map<string, Refusal>()
  for (let i = 0; i < nodes.length && (harmless.length === 0 || harmless.length + violating.length < enough); i++) {
    const node = nodes[(offset + i) % nodes.length] as NodeInfo
    const victims = selectVictims(input, node, budgets)
    if ('fits' in victims) refusals.set(node.name, victims)
    else if (victims.pods.length === 0) refusals.set(node.name, refuses(`expected at least one victim pod on node "${node.name}"`, true))
    else (victims.violations > 0 ? violating : harmless).push(victims)
  }
  return { candidates: [...harmless, ...violating], refusals }
}

export function isTerminatingByPreemption({ metadata, status }: Pod): boolean {
  if (metadata.deletionTimestamp === undefined) return false
  const condition = findCondition(status?.conditions, 'DisruptionTarget')
  return condition?.status === 'True' && condition.reason === 'PreemptionByScheduler'
}
