/** Which pods a DaemonSet needs on which nodes, what an update replaces next, and its status. No I/O. */
import type { DaemonSet, DaemonSetStatus } from '../../api/kinds/apps/v1.ts'
import type { Node, Pod, PodSpec, PodTemplateSpec, Toleration } from '../../api/kinds/core/v1.ts'
import { matchesRequiredNodeAffinity } from '../../api/nodeSelector.ts'
import { hasFinished } from '../../api/pods.ts'
import { tolerates } from '../../api/tolerations.ts'
import { REVISION_HASH } from '../history.ts'
import { scaledValue } from '../intOrPercent.ts'
import { isAvailable, isReady, isTerminating } from '../podState.ts'

const NODE = 'node.kubernetes.io'
/** Daemons run where other pods may not. */
const DAEMON_TOLERATIONS: readonly Toleration[] = [
  { key: `${NODE}/not-ready`, operator: 'Exists', effect: 'NoExecute' },
  { key: `${NODE}/unreachable`, operator: 'Exists', effect: 'NoExecute' },
  { key: `${NODE}/disk-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${NODE}/memory-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${NODE}/pid-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${NODE}/unschedulable`, operator: 'Exists', effect: 'NoSchedule' },
]
const HOST_NETWORK_TOLERATION: Toleration = { key: `${NODE}/network-unavailable`, operator: 'Exists', effect: 'NoSchedule' }

/** At most so many pods are created or deleted in one pass. */
export const BURST_REPLICAS = 250

function tolerationsOf(spec: PodSpec | undefined): Toleration[] {
  const own = spec?.tolerations ?? []
  const added = [...DAEMON_TOLERATIONS, ...(spec?.hostNetwork ? [HOST_NETWORK_TOLERATION] : [])]
  const alike = (a: Toleration, b: Toleration): boolean =>
    a.key === b.key && a.effect === b.effect && a.operator === b.operator && (a.value ?? '') === (b.value ?? '')
  // One of the template's own that ends after a while would have the daemon evicted all the same.
  return [
    ...own.map((known) => added.find((extra) => alike(extra, known)) ?? known),
    ...added.filter((extra) => !own.some((known) => alike(extra, known))),
  ]
}

const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation'
const TEMPLATE_GENERATION_LABEL = 'pod-template-generation'

/** The number that older clients tell templates apart by, where the DaemonSet has one. */
export function templateGeneration(ds: DaemonSet): string | undefined {
  const generation = ds.metadata.annotations?.[TEMPLATE_GENERATION]
  return generation !== undefined && /^-?\d+$/.test(generation) ? generation : undefined
}

/** The template with what binds a pod of it to one node, through the scheduler. */
export function templateFor(template: PodTemplateSpec, nodeName: string, hash: string, generation?: string): PodTemplateSpec {
  const affinity = template.spec?.affinity
  // Whether the template's own terms allow the node was asked before: the name alone is left of them.
  const nodeSelectorTerms = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [nodeName] }] }]
  const labels = { ...template.metadata?.labels, ...(generation && { [TEMPLATE_GENERATION_LABEL]: generation }), [REVISION_HASH]: hash }
  return {
    metadata: { ...template.metadata, labels },
    spec: {
      ...(template.spec ?? { containers: [] }),
      tolerations: tolerationsOf(template.spec),
      affinity: {
        ...affinity,
        nodeAffinity: { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
      },
    },
  }
}

/** The node that a daemon pod is on, or is meant for while it has none. */
export function nodeOf(pod: Pod): string | undefined {
  if (pod.spec.nodeName) return pod.spec.nodeName
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  return terms.flatMap((term) => term.matchFields ?? []).find((field) => field.key === 'metadata.name')?.values?.[0]
}

function fits(ds: DaemonSet, node: Node): { shouldRun: boolean; mayStay: boolean } {
  const { spec } = ds.spec.template
  const wanted = (!spec?.nodeName || spec.nodeName === node.metadata.name) && matchesRequiredNodeAffinity(spec, node)
  if (!wanted) return { shouldRun: false, mayStay: false }
  const tolerations = tolerationsOf(spec)
  const refused = (node.spec?.taints ?? []).filter(
    (taint) => taint.effect !== 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, taint)),
  )
  return { shouldRun: refused.length === 0, mayStay: refused.every((taint) => taint.effect !== 'NoExecute') }
}

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
  /** Finished pods among `remove`, which come again with backoff. */
  failed: Pod[]
  status: DaemonSetStatus
  /** When the next failed pod may be replaced. */
  recheckAfterMs?: number
}

function byNode(pods: readonly Pod[]): Map<string, Pod[]> {
  return Map.groupBy(pods, (pod) => nodeOf(pod) ?? '')
}

/** Those that have a node come first: by them the node's state is told. */
const oldestFirst = (a: Pod, b: Pod): number =>
  Number(Boolean(b.spec.nodeName)) - Number(Boolean(a.spec.nodeName)) ||
  Date.parse(a.metadata.creationTimestamp) - Date.parse(b.metadata.creationTimestamp) ||
  (a.metadata.name < b.metadata.name ? -1 : 1)
const isNew = (pod: Pod, hash: string): boolean => pod.metadata.labels?.[REVISION_HASH] === hash

function bounds(ds: DaemonSet, desired: number): { maxUnavailable: number; maxSurge: number } {
  const { maxUnavailable = 1, maxSurge = 0 } = ds.spec.updateStrategy?.rollingUpdate ?? {}
  const surge = scaledValue(maxSurge, desired, 'up')
  const unavailable = scaledValue(maxUnavailable, desired, 'up')
  return { maxSurge: surge, maxUnavailable: surge === 0 && unavailable === 0 ? 1 : unavailable }
}

/** What is missing and what is too much, before any update. */
function manage(
  input: DaemonInput,
  onNode: ReadonlyMap<string, Pod[]>,
  surging: boolean,
): Pick<DaemonPlan, 'create' | 'remove' | 'failed'> {
  const { ds, nodes, hash } = input
  const plan: Pick<DaemonPlan, 'create' | 'remove' | 'failed'> = { create: [], remove: [], failed: [] }
  for (const node of nodes) {
    const here = onNode.get(node.metadata.name) ?? []
    const { shouldRun, mayStay } = fits(ds, node)
    if (!mayStay) plan.remove.push(...here.filter((pod) => !isTerminating(pod)))
    else if (here.length === 0) {
      if (shouldRun) plan.create.push(node.metadata.name)
    } else {
      const finished = here.filter((pod) => hasFinished(pod) && pod.metadata.deletionTimestamp === undefined)
      plan.failed.push(...finished)
      const running = here.filter((pod) => !hasFinished(pod) && !isTerminating(pod)).sort(oldestFirst)
      const groups = surging ? [running.filter((pod) => isNew(pod, hash)), running.filter((pod) => !isNew(pod, hash))] : [running]
      plan.remove.push(...finished, ...groups.flatMap((group) => group.slice(1)))
    }
  }
  const known = new Set(nodes.map((node) => node.metadata.name))
  for (const [name, pods] of onNode)
    if (!known.has(name)) plan.remove.push(...pods.filter((pod) => !pod.spec.nodeName && !isTerminating(pod)))
  return plan
}

/** The old pods that may go now, and with surge the nodes where a new one may join an old one. */
function update(input: DaemonInput, onNode: ReadonlyMap<string, Pod[]>, wanted: readonly Node[]): Pick<DaemonPlan, 'create' | 'remove'> {
  const { ds, hash, nowMs } = input
  const { maxSurge, maxUnavailable } = bounds(ds, wanted.length)
  const minReady = ds.spec.minReadySeconds ?? 0
  const available = (pod: Pod | undefined): boolean => pod !== undefined && isAvailable(pod, minReady, nowMs)
  const plan: Pick<DaemonPlan, 'create' | 'remove'> = { create: [], remove: [] }
  const candidates: Pod[] = []
  const surge: string[] = []
  let unavailable = 0
  let surging = 0
  for (const node of wanted) {
    const here = (onNode.get(node.metadata.name) ?? []).filter((pod) => !hasFinished(pod))
    const live = here.filter((pod) => !isTerminating(pod))
    const young = live.find((pod) => isNew(pod, hash))
    const old = live.find((pod) => !isNew(pod, hash))
    if (maxSurge > 0) {
      if (young && old) surging++
      if (old && (available(young) || !available(old))) plan.remove.push(old)
      else if (old && !young) surge.push(node.metadata.name)
      continue
    }
    if (!available(young) && !available(old)) {
      unavailable++
      // It does nothing for anyone: replacing it costs no availability.
      if (old) plan.remove.push(old)
    } else if (old) candidates.push(old)
  }
  plan.remove.push(...candidates.slice(0, Math.max(0, maxUnavailable - unavailable)))
  plan.create.push(...surge.slice(0, Math.max(0, maxSurge - surging)))
  return plan
}

function statusOf(input: DaemonInput, onNode: ReadonlyMap<string, Pod[]>): DaemonSetStatus {
  const { ds, nodes, hash, nowMs } = input
  const minReady = ds.spec.minReadySeconds ?? 0
  const counts = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 }
  for (const node of nodes) {
    const here = (onNode.get(node.metadata.name) ?? []).toSorted(oldestFirst)
    if (!fits(ds, node).shouldRun) {
      if (here.length > 0) counts.misscheduled++
      continue
    }
    counts.desired++
    if (here.length === 0) continue
    counts.current++
    // While an update surges there are two: the node is served by whichever is ready.
    if (here.some((pod) => isReady(pod))) counts.ready++
    if (here.some((pod) => isAvailable(pod, minReady, nowMs))) counts.available++
    if (here.some((pod) => isNew(pod, hash))) counts.updated++
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
  const { ds, nodes, pods, failedWaitMs } = input
  const onNode = byNode(pods)
  const wanted = nodes.filter((node) => fits(ds, node).shouldRun)
  const rolling = ds.spec.updateStrategy?.type !== 'OnDelete'
  const { maxSurge } = bounds(ds, wanted.length)
  const plan = manage(input, onNode, rolling && maxSurge > 0)
  const replaced =
    rolling && plan.create.length === 0 && plan.remove.length === 0 ? update(input, onNode, wanted) : { create: [], remove: [] }
  const waitMs = (pod: Pod): number => failedWaitMs(nodeOf(pod) ?? '')
  const waiting = new Set(plan.failed.filter((pod) => waitMs(pod) > 0))
  return {
    create: [...plan.create, ...replaced.create].slice(0, BURST_REPLICAS),
    remove: [...plan.remove, ...replaced.remove].slice(0, BURST_REPLICAS).filter((pod) => !waiting.has(pod)),
    failed: plan.failed.filter((pod) => !waiting.has(pod)),
    status: statusOf(input, onNode),
    ...(waiting.size > 0 && { recheckAfterMs: Math.min(...[...waiting].map(waitMs)) }),
  }
}
