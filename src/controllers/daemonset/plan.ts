/** Which pods a DaemonSet needs on which nodes, and its status. No I/O. */
import type { DaemonSet, DaemonSetStatus } from '../../api/kinds/apps/v1.ts'
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { hasFinished } from '../../api/pods.ts'
import { REVISION_HASH } from '../history.ts'
import { isAvailable, isReady } from '../podState.ts'
import { fits, nodeOf } from './placement.ts'
import { bounds, planRollout, type NodePods, type Rollout } from './rollout.ts'

/** At most so many pods are created or deleted in one pass. */
export const BURST_REPLICAS = 250

export interface DaemonInput {
  ds: DaemonSet
  nodes: readonly Node[]
  /** All that it owns. */
  pods: readonly Pod[]
  /** Of the current template. */
  hash: string
  nowMs: number
  /** How long a failed pod on that node must wait before it is replaced; 0 when it may be. */
  failedWaitMs(nodeName: string): number
}

export interface DaemonPlan {
  /** Nodes that get a pod. */
  create: string[]
  remove: Pod[]
  /** Pods among `remove` that have failed, and come again with backoff; and those that have succeeded. */
  failed: Pod[]
  succeeded: Pod[]
  status: DaemonSetStatus
  /** When the next failed pod may be replaced. */
  recheckAfterMs?: number
}

type OnNodes = ReadonlyMap<string, readonly Pod[]>

const isLeaving = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined
const isNew = (pod: Pod, hash: string): boolean => pod.metadata.labels?.[REVISION_HASH] === hash

/** Those that have a node come first: by them the node's state is told. */
const oldestFirst = (a: Pod, b: Pod): number =>
  Number(Boolean(b.spec.nodeName)) - Number(Boolean(a.spec.nodeName)) ||
  Date.parse(a.metadata.creationTimestamp) - Date.parse(b.metadata.creationTimestamp) ||
  (a.metadata.name < b.metadata.name ? -1 : 1)

/** One that has finished and is being deleted is nobody's any more, whatever holds it back. */
function byNode(pods: readonly Pod[]): OnNodes {
  return Map.groupBy(
    pods.filter((pod) => !(hasFinished(pod) && isLeaving(pod))),
    (pod) => nodeOf(pod) ?? '',
  )
}

type Upkeep = Pick<DaemonPlan, 'create' | 'remove' | 'failed' | 'succeeded'> & { waitsMs: number[] }

/** Of the running pods of a node, those that are one too many. While an update surges there are two, the old one as long as it serves. */
function surplus(running: readonly Pod[], { hash, ds, nowMs }: DaemonInput, surging: boolean): Pod[] {
  const inOrder = running.toSorted(oldestFirst)
  if (!surging) return inOrder.slice(1)
  const [young, ...moreYoung] = inOrder.filter((pod) => isNew(pod, hash))
  const [old, ...moreOld] = inOrder.filter((pod) => !isNew(pod, hash))
  const isReplaced = young && old && (!isReady(old) || isAvailable(young, ds.spec.minReadySeconds ?? 0, nowMs))
  return [...moreYoung, ...moreOld, ...(isReplaced ? [old] : [])]
}

/** What is missing and what is too much on one node, before any update. */
function keepUp(input: DaemonInput, node: Node, here: readonly Pod[], surging: boolean, plan: Upkeep): void {
  const { name } = node.metadata
  const { shouldRun, mayStay } = fits(input.ds, node)
  const staying = here.filter((pod) => !isLeaving(pod))
  if (!mayStay) return void plan.remove.push(...staying)
  const succeeded = staying.filter((pod) => pod.status?.phase === 'Succeeded')
  const failed = staying.filter((pod) => pod.status?.phase === 'Failed')
  const running = staying.filter((pod) => !hasFinished(pod))
  const waitMs = failed.length > 0 ? input.failedWaitMs(name) : 0
  if (waitMs > 0) plan.waitsMs.push(waitMs)
  const due = waitMs > 0 ? [] : failed
  plan.succeeded.push(...succeeded)
  plan.failed.push(...due)
  plan.remove.push(...due, ...succeeded, ...surplus(running, input, surging))
  // While updates surge, one that is leaving does not keep its successor from the node.
  if (shouldRun && (surging ? running.length === 0 : here.length === 0)) plan.create.push(name)
}

function planUpkeep(input: DaemonInput, onNode: OnNodes, surging: boolean): Upkeep {
  const plan: Upkeep = { create: [], remove: [], failed: [], succeeded: [], waitsMs: [] }
  for (const node of input.nodes) keepUp(input, node, onNode.get(node.metadata.name) ?? [], surging, plan)
  const known = new Set(input.nodes.map((node) => node.metadata.name))
  for (const [name, pods] of onNode) if (!known.has(name)) plan.remove.push(...pods.filter((pod) => !pod.spec.nodeName && !isLeaving(pod)))
  return plan
}

/** The nodes that an update looks at: those that should have a pod, and those that have one. */
function nodePods({ ds, nodes, hash }: DaemonInput, onNode: OnNodes): NodePods[] {
  return nodes.flatMap((node) => {
    const here = onNode.get(node.metadata.name)
    if (!here && !fits(ds, node).shouldRun) return []
    const [young = [], old = []] = [true, false].map((fresh) => (here ?? []).filter((pod) => !isLeaving(pod) && isNew(pod, hash) === fresh))
    return { node, young: young[0], old: old[0], crowded: young.length > 1 || old.length > 1 }
  })
}

function statusOf(input: DaemonInput, onNode: OnNodes): DaemonSetStatus {
  const { ds, nodes, hash, nowMs } = input
  const minReady = ds.spec.minReadySeconds ?? 0
  const counts = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 }
  for (const node of nodes) {
    const [first] = (onNode.get(node.metadata.name) ?? []).toSorted(oldestFirst)
    const { shouldRun } = fits(ds, node)
    if (shouldRun) counts.desired++
    if (!first) continue
    if (!shouldRun) {
      counts.misscheduled++
      continue
    }
    counts.current++
    // While an update surges there are two: the older one tells how the node is served.
    if (isReady(first)) counts.ready++
    if (isAvailable(first, minReady, nowMs)) counts.available++
    if (isNew(first, hash)) counts.updated++
  }
  const unavailable = counts.desired - counts.available
  return {
    currentNumberScheduled: counts.current,
    numberMisscheduled: counts.misscheduled,
    desiredNumberScheduled: counts.desired,
    numberReady: counts.ready,
    ...(ds.metadata.generation !== undefined && { observedGeneration: ds.metadata.generation }),
    ...(counts.updated > 0 && { updatedNumberScheduled: counts.updated }),
    ...(counts.available > 0 && { numberAvailable: counts.available }),
    ...(unavailable > 0 && { numberUnavailable: unavailable }),
    ...(ds.status?.collisionCount !== undefined && { collisionCount: ds.status.collisionCount }),
    ...(ds.status?.conditions && { conditions: ds.status.conditions }),
  }
}

export function planDaemonSet(input: DaemonInput): DaemonPlan {
  const { ds, pods, nowMs } = input
  const onNode = byNode(pods)
  const rolling = ds.spec.updateStrategy?.type !== 'OnDelete'
  const surging = rolling && bounds(ds, 1).maxSurge > 0
  const { waitsMs, ...upkeep } = planUpkeep(input, onNode, surging)
  // First what is missing and what is too much, then the next step of an update.
  const isKept = upkeep.create.length === 0 && upkeep.remove.length === 0
  const rollout: Rollout = rolling && isKept ? planRollout({ ds, nodes: nodePods(input, onNode), nowMs }) : { create: [], remove: [] }
  return {
    ...upkeep,
    create: [...upkeep.create, ...rollout.create].slice(0, BURST_REPLICAS),
    remove: [...upkeep.remove, ...rollout.remove].slice(0, BURST_REPLICAS),
    status: statusOf(input, onNode),
    ...(waitsMs.length > 0 && { recheckAfterMs: Math.min(...waitsMs) }),
  }
}
