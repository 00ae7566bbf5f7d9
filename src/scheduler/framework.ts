/**
 * The scheduling framework's vocabulary (kube-scheduler's extension points). A plugin prepares itself once for a pod and then
 * answers for each node whether the pod fits and how well; it looks at the view of the cluster and changes nothing but its own
 * prepared state, until a node is chosen.
 */
import type { Pod } from '../api/kinds/core/v1.ts'
import type { EventHint } from './events.ts'
import type { NodeInfo } from './nodeInfo.ts'
import type { PodGroup } from './podGroup.ts'
import type { PodInfo } from './podInfo.ts'
import type { Resources } from './resources.ts'
import type { Topology } from './topologies.ts'

/** What of a node is to be had, as the resource plugins see it. */
export interface NodeResources {
  readonly allocatable: Resources
  readonly requested: Resources
  readonly nonZeroRequested: Resources
  readonly podCount: number
}

/** An image of the whole cluster: nodes that report another size for its name change nothing. */
export interface ImageState {
  /** How many have it. */
  nodes: number
  /** As the first of them reported it. */
  bytes: number
}

/** The cluster as the scheduler knows it: pods bound and assumed, on nodes that exist. */
export interface View {
  /** Zone by zone in turn, so that any run of them is spread over the zones. */
  readonly nodes: readonly NodeInfo[]
  /** Which numbers the nodes have, in the same order. A number stays a node's as long as it exists. */
  readonly slots: readonly number[]
  /** By slot: grows whenever the node or its pods change, and is never the same again. */
  readonly generations: readonly number[]
  get(nodeName: string): NodeInfo | undefined
  /** Pods that are alike for selectors, and where they are. */
  groupsIn(namespace: string): Iterable<PodGroup>
  groups(): Iterable<PodGroup>
  /** Those of them that have wishes about other pods. */
  groupsWithAffinity(): Iterable<PodGroup>
  /** Which nodes share a label's value. */
  topology(key: string): Topology
  /** Undefined where no node has it. */
  image(name: string): Readonly<ImageState> | undefined
  /** How many pods on nodes use a claim, by `namespace/name`. */
  usersOfClaim(key: string): number
}

export interface Refusal {
  readonly fits: false
  readonly reasons: readonly string[]
  /** Removing other pods from the node could make room. */
  readonly resolvable: boolean
}
export interface NodeRefusal extends Refusal {
  readonly plugin: string
}

export type Verdict = { readonly fits: true } | Refusal

export const FITS: Verdict = { fits: true }
export const refuses = (reason: string | readonly string[], resolvable: boolean): Refusal => ({
  fits: false,
  reasons: typeof reason === 'string' ? [reason] : reason,
  resolvable,
})

/** What a plugin has prepared for one pod; it lives as long as the pod's attempt. */
export interface Prepared {
  /** Only these can fit, whatever the other plugins say. */
  readonly nodes?: ReadonlySet<string>
  filter?(node: NodeInfo): Verdict
  /** What a local plugin's verdicts on this pod depend on besides the node and the pod: those under another one are not the same. */
  readonly variant?: string
  /** The prepared state as if a pod were (not) on a node: preemption tries things out. */
  addPod?(pod: PodInfo, node: NodeInfo): void
  removePod?(pod: PodInfo, node: NodeInfo): void
  /** The node is chosen: holds in memory what the pod takes there, until `unreserve`. */
  reserve?(nodeName: string): Verdict
  unreserve?(): void
  /** Whether `preBind` has something to write or to wait for. */
  needsPreBind?(nodeName: string): boolean
  preBind?(nodeName: string, signal: AbortSignal): Promise<void>
}

export const MAX_NODE_SCORE = 100

export interface Scoring {
  of(node: NodeInfo): number
  /** Brings the scores of all nodes to 0 … 100; left out where they are already. */
  normalize?(scores: readonly number[], nodes: readonly NodeInfo[]): number[]
}

export interface PostFilterInput {
  pod: PodInfo
  view: View
  /** By plugin name, for the plugin's own state. */
  prepared(plugin: string): Prepared | undefined
  /** Why nodes were refused; nodes that are missing cannot be helped. */
  refusals: ReadonlyMap<string, Refusal>
  /** The filters on a node as it is given, nominated pods included; its own pods may be other ones than the view's. */
  filter(node: NodeInfo): Verdict
  addPod(pod: PodInfo, node: NodeInfo): void
  removePod(pod: PodInfo, node: NodeInfo): void
}

export interface PostFilterResult {
  /** Where the pod will have a place; '' takes an earlier promise back, undefined leaves it. */
  nominatedNodeName?: string
  /** Why it will not; undefined where it will. */
  message?: string
  /** The message is an error's: plugins behind are not asked. */
  isError?: boolean
}

export interface Plugin {
  readonly name: string
  /** What it says of a node depends on nothing but that node and what the pod shares with its like (localVerdicts.ts). */
  readonly isLocal?: boolean
  /** The changes after which a pod that the plugin refused is worth another try. */
  readonly events: readonly EventHint[]
  /** Why a pod is not to be looked at at all yet. */
  preEnqueue?(pod: Pod): string | undefined
  /** Undefined: the plugin has nothing to say about this pod. */
  prepare?(pod: PodInfo, view: View): Prepared | Refusal | undefined
  /** Undefined: no opinion. */
  score?(pod: PodInfo, view: View, nodes: readonly NodeInfo[], prepared: Prepared | undefined): Scoring | undefined
  postFilter?(input: PostFilterInput): PostFilterResult | Promise<PostFilterResult>
  bind?(pod: Pod, nodeName: string, signal: AbortSignal): Promise<void>
  /** Order of waiting pods; of queue sort plugins only. */
  isBefore?(a: Waiting, b: Waiting): boolean
}

/** What an order of waiting pods may look at. */
export interface Waiting {
  readonly info: PodInfo
  /** When the pod came to wait, or came back from its last attempt. */
  readonly addedMs: number
  readonly sequence: number
}

/** The highest score becomes 100 (or 0, reversed). */
export function normalizeByMax(scores: readonly number[], reverse: boolean): number[] {
  const max = scores.reduce((most, score) => Math.max(most, score), 0)
  if (max === 0) return scores.map(() => (reverse ? MAX_NODE_SCORE : 0))
  return scores.map((score) => {
    const scaled = Math.floor((score * MAX_NODE_SCORE) / max)
    return reverse ? MAX_NODE_SCORE - scaled : scaled
  })
}
