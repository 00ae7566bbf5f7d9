/**
 * The attempt to find a node for one pod: the filter plugins of its profile, prepared once, asked node by node. Pods of the same
 * or a higher priority that were promised a place on a node count as being there.
 */
import { FITS, refuses, type NodeRefusal, type Plugin, type Prepared, type Refusal, type Verdict, type View } from './framework.ts'
import type { Verdicts } from './localVerdicts.ts'
import type { NodeInfo } from './nodeInfo.ts'
import type { Nominator } from './nominator.ts'
import { priorityOf, type PodInfo } from './podInfo.ts'

/** A profile's plugins by extension point, each in its order. */
export interface PluginPoints {
  preEnqueue: readonly Plugin[]
  queueSort: Plugin
  preFilter: readonly Plugin[]
  filter: readonly Plugin[]
  postFilter: readonly Plugin[]
  score: readonly { plugin: Plugin; weight: number }[]
  reserve: readonly Plugin[]
  preBind: readonly Plugin[]
  bind: readonly Plugin[]
}

/** Why no node was found (kube-scheduler's Diagnosis). */
export interface Diagnosis {
  /** By node; with `absent` for those that were not looked at one by one. */
  refusals: ReadonlyMap<string, NodeRefusal>
  absent?: Refusal
  /** Why the pod was refused before any node was looked at. */
  preFilter?: NodeRefusal
  /** The plugins that refused, for the queue's hints. */
  plugins: ReadonlySet<string>
}

interface Filter {
  name: string
  filter: (node: NodeInfo) => Verdict
}

function firstRefusal(filters: readonly Filter[], node: NodeInfo): NodeRefusal | undefined {
  for (const { name, filter } of filters) {
    const verdict = filter(node)
    if (!verdict.fits) return { ...verdict, plugin: name }
  }
  return undefined
}

export class FilterCycle {
  readonly info: PodInfo
  readonly view: View
  readonly #nominator: Nominator
  readonly #prepared = new Map<string, Prepared>()
  readonly #skipped = new Set<string>()
  readonly #local: Filter[] = []
  readonly #others: Filter[] = []
  /** Made once and not for each node. */
  readonly #localRefusal = (node: NodeInfo): NodeRefusal | undefined => firstRefusal(this.#local, node)
  #nodes: ReadonlySet<string> | undefined
  #narrowedBy: string[] = []

  private constructor(info: PodInfo, view: View, nominator: Nominator) {
    this.info = info
    this.view = view
    this.#nominator = nominator
  }

  /** Prepares the plugins; a refusal is one for all nodes. */
  static start(
    info: PodInfo,
    view: View,
    points: Pick<PluginPoints, 'preFilter' | 'filter'>,
    nominator: Nominator,
  ): { cycle: FilterCycle; refusal?: NodeRefusal } {
    const cycle = new FilterCycle(info, view, nominator)
    for (const plugin of points.preFilter) {
      const prepared = plugin.prepare?.(info, view)
      if (prepared && 'fits' in prepared) return { cycle, refusal: { ...prepared, plugin: plugin.name } }
      if (prepared) cycle.#prepared.set(plugin.name, prepared)
      else cycle.#skipped.add(plugin.name)
      if (!prepared?.nodes) continue
      cycle.#narrowedBy.push(plugin.name)
      cycle.#nodes = cycle.#nodes ? cycle.#nodes.intersection(prepared.nodes) : prepared.nodes
      if (cycle.#nodes.size > 0) continue
      const names = `[${cycle.#narrowedBy.toSorted().join(' ')}]`
      const together = cycle.#narrowedBy.length > 1 ? ' simultaneously' : ''
      const reason = `node(s) didn't satisfy plugin(s) ${names}${together}`
      return { cycle, refusal: { ...refuses(reason, false), plugin: plugin.name } }
    }
    for (const { name, isLocal } of points.filter) {
      const prepared = cycle.#prepared.get(name)
      if (prepared?.filter) (isLocal ? cycle.#local : cycle.#others).push({ name, filter: (node) => prepared.filter?.(node) ?? FITS })
    }
    return { cycle }
  }

  /** The nodes worth asking, and what the others are refused with. */
  get candidates(): { nodes: readonly NodeInfo[]; absent?: Refusal } {
    if (!this.#nodes) return { nodes: this.view.nodes }
    const nodes = [...this.#nodes].flatMap((name) => this.view.get(name) ?? [])
    return { nodes, absent: refuses(`node(s) didn't satisfy plugin(s) [${this.#narrowedBy.toSorted().join(' ')}]`, false) }
  }

  get narrowedBy(): readonly string[] {
    return this.#narrowedBy
  }

  /** Pods of one signature are the same to local plugins. */
  get signature(): string {
    const variants = [...this.#prepared].flatMap(([name, { variant }]) => (variant === undefined ? [] : `${name}=${variant}`))
    return variants.length === 0 ? this.info.signature : [this.info.signature, ...variants].join('|')
  }

  prepared(plugin: string): Prepared | undefined {
    return this.#prepared.get(plugin)
  }

  /** Whether a plugin was asked to prepare itself, even if it had nothing to say. */
  wasAsked(plugin: string): boolean {
    return this.#prepared.has(plugin) || this.#skipped.has(plugin)
  }

  addPod(pod: PodInfo, node: NodeInfo): void {
    for (const prepared of this.#prepared.values()) prepared.addPod?.(pod, node)
  }

  removePod(pod: PodInfo, node: NodeInfo): void {
    for (const prepared of this.#prepared.values()) prepared.removePod?.(pod, node)
  }

  /** Undefined where the pod fits. A promised place may never be taken: the pod has to fit with and without those pods. */
  filter(node: NodeInfo): NodeRefusal | undefined {
    if (this.#nominator.hasAnyOn(node.name)) {
      const promised = this.#promisedOn(node)
      if (promised.length > 0) {
        const refusal = this.#filterWith(node, promised)
        if (refusal) return refusal
      }
    }
    return this.#filterAlone(node)
  }

  /** The same for the node at a place in the view's order, with what is known of it from earlier pods. */
  filterAt(at: number, known: Verdicts): NodeRefusal | undefined {
    const { nodes, slots, generations } = this.view
    const slot = slots[at] as number
    const local = known.refusal(slot, generations[slot] as number, nodes[at] as NodeInfo, this.#localRefusal)
    if (local) return local
    if (!this.#nominator.isEmpty) return this.filter(nodes[at] as NodeInfo)
    return this.#others.length > 0 ? firstRefusal(this.#others, nodes[at] as NodeInfo) : undefined
  }

  #promisedOn(node: NodeInfo): PodInfo[] {
    const { pod } = this.info
    return [...this.#nominator.on(node.name)].filter(
      (other) =>
        other.pod.metadata.uid !== pod.metadata.uid && priorityOf(other.pod) >= priorityOf(pod) && !node.pods.has(other.pod.metadata.uid),
    )
  }

  #filterWith(node: NodeInfo, promised: readonly PodInfo[]): NodeRefusal | undefined {
    const full = node.copy()
    for (const other of promised) {
      full.add(other)
      this.addPod(other, full)
    }
    try {
      return this.#filterAlone(full)
    } finally {
      for (const other of promised) this.removePod(other, full)
    }
  }

  #filterAlone(node: NodeInfo): NodeRefusal | undefined {
    return firstRefusal(this.#local, node) ?? firstRefusal(this.#others, node)
  }
}
