/**
 * One pod's verdict: filter the nodes, ask the extenders, score those that fit, choose. Upstream's schedulePod and its FitError
 * texts. Without extenders nothing here waits.
 */
import { FilterCycle, type Diagnosis, type PluginPoints } from './cycle.ts'
import type { NodeRefusal, Refusal, Scoring, View } from './framework.ts'
import type { LocalVerdicts, Verdicts } from './localVerdicts.ts'
import type { NodeInfo } from './nodeInfo.ts'
import type { Nominator } from './nominator.ts'
import type { PodInfo } from './podInfo.ts'

/** With fewer nodes than this all are looked at. */
const FEASIBLE_NODES_MIN = 100
const ADAPTIVE_PERCENTAGE = 50
const ADAPTIVE_PERCENTAGE_MIN = 5
/** What refused a pod in the queue's terms when it was an extender. */
const EXTENDER = 'Extender'

export interface ExtenderFailure {
  reason: string
  /** Whether making room could change its mind. */
  isResolvable: boolean
}

/** The part of scheduling that other programs have a say in. */
export interface Extenders {
  isInterested(info: PodInfo): boolean
  filter(
    info: PodInfo,
    nodes: readonly NodeInfo[],
  ): Promise<{ feasible: readonly NodeInfo[]; failures: ReadonlyMap<string, ExtenderFailure> }>
  /** Weighted scores by node name, to be added to the plugins'. */
  prioritize(info: PodInfo, nodes: readonly NodeInfo[]): Promise<ReadonlyMap<string, number>>
}

export interface ScheduleInput {
  info: PodInfo
  view: View
  points: PluginPoints
  nominator: Nominator
  /** What earlier pods have found out about nodes. */
  known: LocalVerdicts
  /** Of all nodes, where the search starts; round robin over the pods. */
  startIndex: number
  /** Of the nodes to find before the search ends; 0 adapts it to their number. */
  percentageOfNodesToScore: number
  /** Chooses among equally good nodes: 0 ≤ result < count. */
  pick: (count: number) => number
  extenders?: Extenders
}

export interface Found {
  nodeName: string
  cycle: FilterCycle
  evaluatedNodes: number
  nextIndex: number
}
export interface NotFound {
  diagnosis: Diagnosis
  cycle: FilterCycle
  nextIndex: number
}
export type Decision = Found | NotFound

/** How many nodes that fit are enough. */
export function feasibleNodesToFind(nodes: number, percentage: number): number {
  if (nodes < FEASIBLE_NODES_MIN) return nodes
  const adaptive = Math.max(ADAPTIVE_PERCENTAGE_MIN, ADAPTIVE_PERCENTAGE - Math.trunc(nodes / 125))
  const enough = Math.trunc((nodes * (percentage === 0 ? adaptive : percentage)) / 100)
  return Math.max(enough, FEASIBLE_NODES_MIN)
}

interface Search {
  feasible: readonly NodeInfo[]
  /** Their places in the view's order, where the whole of it was searched. */
  places?: number[]
  refusals: Map<string, NodeRefusal>
  looked: number
}

/** Some nodes, one by one. */
function searchAmong(cycle: FilterCycle, nodes: readonly NodeInfo[], enough: number): Search {
  const feasible: NodeInfo[] = []
  const refusals = new Map<string, NodeRefusal>()
  let looked = 0
  for (; looked < nodes.length && feasible.length < enough; looked++) {
    const node = nodes[looked] as NodeInfo
    const refusal = cycle.filter(node)
    if (refusal) refusals.set(node.name, refusal)
    else feasible.push(node)
  }
  return { feasible, refusals, looked }
}

/** All nodes in their order from a place on, with what is known of them already. */
function searchAll(cycle: FilterCycle, { view, startIndex }: ScheduleInput, known: Verdicts, enough: number): Search {
  const { nodes } = view
  const places: number[] = []
  const refusals = new Map<string, NodeRefusal>()
  let looked = 0
  for (; looked < nodes.length && places.length < enough; looked++) {
    const at = (startIndex + looked) % nodes.length
    const refusal = cycle.filterAt(at, known)
    if (refusal) refusals.set((nodes[at] as NodeInfo).name, refusal)
    else places.push(at)
  }
  return { feasible: places.map((at) => nodes[at] as NodeInfo), places, refusals, looked }
}

function notFound(cycle: FilterCycle, found: Pick<Search, 'refusals'>, nextIndex: number, more: Partial<Diagnosis> = {}): NotFound {
  const plugins = new Set(cycle.narrowedBy)
  for (const { plugin } of found.refusals.values()) plugins.add(plugin)
  for (const plugin of more.plugins ?? []) plugins.add(plugin)
  return { cycle, nextIndex, diagnosis: { refusals: found.refusals, ...more, plugins } }
}

interface Candidates extends Search {
  absent?: Refusal
  nextIndex: number
}

/** The promised node alone where the pod has one and fits there, or as many others as it takes. */
function findNodes(cycle: FilterCycle, input: ScheduleInput, hasScores: boolean): Candidates {
  const { info, view, startIndex, percentageOfNodesToScore } = input
  const nominated = view.get(info.pod.status?.nominatedNodeName ?? '')
  if (nominated) {
    const found = searchAmong(cycle, [nominated], 1)
    if (found.feasible.length > 0) return { ...found, nextIndex: startIndex }
  }
  const { nodes, absent } = cycle.candidates
  const enough = hasScores ? feasibleNodesToFind(nodes.length, percentageOfNodesToScore) : 1
  const found = absent ? searchAmong(cycle, nodes, enough) : searchAll(cycle, input, input.known.of(cycle.signature), enough)
  return { ...found, ...(absent && { absent }), nextIndex: (startIndex + found.looked) % view.nodes.length }
}

/** Decides at once where no extender has a say. */
export function schedulePod(input: ScheduleInput): Decision | Promise<Decision> {
  const { info, view, points, nominator, startIndex, extenders } = input
  const { cycle, refusal } = FilterCycle.start(info, view, points, nominator)
  if (view.nodes.length === 0) return notFound(cycle, { refusals: new Map() }, 0)
  if (refusal) return notFound(cycle, { refusals: new Map() }, startIndex, { preFilter: refusal, plugins: new Set([refusal.plugin]) })
  const found = findNodes(cycle, input, points.score.length > 0 || extenders !== undefined)
  if (extenders?.isInterested(info)) return decideWithExtenders(input, cycle, found, extenders)
  const { feasible, looked, absent, nextIndex } = found
  if (feasible.length === 0) return notFound(cycle, found, nextIndex, absent && { absent })
  return { nodeName: choose(input, cycle, found).name, cycle, evaluatedNodes: looked, nextIndex }
}

async function decideWithExtenders(input: ScheduleInput, cycle: FilterCycle, found: Candidates, extenders: Extenders): Promise<Decision> {
  const { looked, absent, nextIndex } = found
  const { feasible, failures } = await extenders.filter(input.info, found.feasible)
  const refusals = new Map(found.refusals)
  for (const [name, { reason, isResolvable }] of failures)
    refusals.set(name, { fits: false, reasons: [reason], resolvable: isResolvable, plugin: EXTENDER })
  if (feasible.length === 0) {
    const plugins = new Set(found.feasible.length > 0 ? [EXTENDER] : [])
    return notFound(cycle, { refusals }, nextIndex, { ...(absent && { absent }), plugins })
  }
  const extra = feasible.length > 1 ? await extenders.prioritize(input.info, feasible) : undefined
  return { nodeName: choose(input, cycle, { feasible }, extra).name, cycle, evaluatedNodes: looked, nextIndex }
}

type Chosen = Pick<Search, 'feasible' | 'places'>

/** What the local plugins give the nodes, node by node. */
function localScores({ info, view, known }: ScheduleInput, scorings: readonly (Scoring | undefined)[], { feasible, places }: Chosen) {
  const scoresOf = (node: NodeInfo): number[] => scorings.map((scoring) => scoring?.of(node) ?? 0)
  if (!places) return feasible.map(scoresOf)
  const verdicts = known.of(info.signature)
  const { slots, generations } = view
  return feasible.map((node, i) => {
    const slot = slots[places[i] as number] as number
    return verdicts.scores(slot, generations[slot] as number, node, scoresOf)
  })
}

/** Adds a plugin's scores to the nodes' totals. */
function addScores(totals: number[], scoring: Scoring, raw: readonly number[], weight: number, nodes: readonly NodeInfo[]): void {
  const scores = scoring.normalize ? scoring.normalize(raw, nodes) : raw
  for (let i = 0; i < totals.length; i++) totals[i] = (totals[i] as number) + (scores[i] as number) * weight
}

function addLocalScores(totals: number[], input: ScheduleInput, cycle: FilterCycle, found: Chosen): void {
  const { info, view, points } = input
  const { feasible } = found
  const scored = points.score.filter(({ plugin }) => plugin.isLocal)
  const scorings = scored.map(({ plugin }) => plugin.score?.(info, view, feasible, cycle.prepared(plugin.name)))
  const byNode = localScores(input, scorings, found)
  const raw: number[] = byNode.map(() => 0)
  for (const [p, { weight }] of scored.entries()) {
    const scoring = scorings[p]
    if (!scoring) continue
    const first = byNode[0]?.[p]
    let isLevel = true
    for (let i = 0; i < byNode.length; i++) {
      const score = byNode[i]?.[p] as number
      raw[i] = score
      isLevel &&= score === first
    }
    // The same for all is nothing to choose by.
    if (!isLevel) addScores(totals, scoring, raw, weight, feasible)
  }
}

function choose(input: ScheduleInput, cycle: FilterCycle, found: Chosen, extra?: ReadonlyMap<string, number>): NodeInfo {
  const { info, view, points, pick } = input
  const { feasible } = found
  if (feasible.length === 1) return feasible[0] as NodeInfo
  const totals = feasible.map((node) => extra?.get(node.name) ?? 0)
  addLocalScores(totals, input, cycle, found)
  for (const { plugin, weight } of points.score) {
    const scoring = plugin.isLocal ? undefined : plugin.score?.(info, view, feasible, cycle.prepared(plugin.name))
    if (!scoring) continue
    const raw = feasible.map((node) => scoring.of(node))
    addScores(totals, scoring, raw, weight, feasible)
  }
  let highest = -Infinity
  let best: NodeInfo[] = []
  for (let i = 0; i < totals.length; i++) {
    const total = totals[i] as number
    if (total < highest) continue
    if (total > highest) best = []
    highest = total
    best.push(feasible[i] as NodeInfo)
  }
  return best[pick(best.length)] as NodeInfo
}

const noNode = (nodes: number): string => `0/${nodes} nodes are available:`

/** `1 Insufficient cpu, 2 node(s) had untolerated taint(s).` */
export function countReasons(reasons: ReadonlyMap<string, number>): string {
  const texts = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort()
  return texts.length > 0 ? ` ${texts.join(', ')}.` : ''
}

/** Upstream's FitError, word for word: people and tools look for these texts in events and conditions. */
export function describeFailure(
  nodes: number,
  diagnosis: { refusals: ReadonlyMap<string, Refusal>; absent?: Refusal; preFilter?: Refusal },
  postFilter = '',
): string {
  const { refusals, absent, preFilter } = diagnosis
  const after = postFilter && ` ${postFilter}`
  if (preFilter) return `${noNode(nodes)} ${preFilter.reasons.join(', ')}.${after}`
  const counts = new Map<string, number>()
  const add = (reason: string, count: number): unknown => counts.set(reason, (counts.get(reason) ?? 0) + count)
  for (const { reasons } of refusals.values()) for (const reason of reasons) add(reason, 1)
  if (absent && refusals.size < nodes) for (const reason of absent.reasons) add(reason, nodes - refusals.size)
  return `${noNode(nodes)}${countReasons(counts)}${after}`
}
