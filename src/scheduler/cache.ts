/**
 * What the scheduler knows of nodes and their pods, kept incrementally from the informers. A pod that was just given a node
 * is assumed to be there until the API says so: the next pod must not see its place as free. Deciding is synchronous, so the
 * cache itself is the snapshot of a cycle and nothing is copied.
 */
import type { Clock } from '../base/clock.ts'
import type { Node, Pod } from '../api/kinds/core/v1.ts'
import { hasFinished } from '../api/pods.ts'
import type { ImageState, View } from './framework.ts'
import { NodeInfo } from './nodeInfo.ts'
import { PodGroup } from './podGroup.ts'
import { newPodInfo, renewedPodInfo, type PodInfo } from './podInfo.ts'
import { Topologies, type Topology } from './topologies.ts'

/** An assumed pod whose binding is done and was never seen gives its place back after this. */
const ASSUMED_POD_MS = 15 * 60_000

interface Place {
  info: PodInfo
  entry: NodeInfo
  group: PodGroup
  assumed: { expireMs: number | undefined } | undefined
}

const REGION = 'topology.kubernetes.io/region'
const ZONE = 'topology.kubernetes.io/zone'

function zoneOf({ metadata }: Node): string {
  const labels = metadata.labels ?? {}
  return `${labels[REGION] ?? ''}:${labels[ZONE] ?? ''}`
}

function groupKey({ metadata, spec }: Pod): string {
  const labels = metadata.labels
  const names = labels ? Object.keys(labels) : []
  if (names.length > 1) names.sort()
  let key = metadata.deletionTimestamp ? '-' : '+'
  for (const name of names) key += `${name}=${labels?.[name]},`
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {}
  return podAffinity || podAntiAffinity ? `${key}|${JSON.stringify([podAffinity, podAntiAffinity])}` : key
}

export class SchedulerCache implements View {
  readonly #entries = new Map<string, NodeInfo>()
  /** Of #entries, those whose node exists; pods can be heard of before their node. */
  readonly #known = new Map<string, { zone: string }>()
  readonly #places = new Map<string, Place>()
  readonly #assumed = new Set<string>()
  readonly #groups = new Map<string, Map<string, PodGroup>>()
  readonly #groupsWithAffinity = new Set<PodGroup>()
  readonly #images = new Map<string, ImageState>()
  readonly #claimUsers = new Map<string, number>()
  readonly #clock: Pick<Clock, 'now'>
  /** By slot. */
  readonly generations: number[] = []
  readonly #freeSlots: number[] = []
  readonly #topologies = new Topologies()
  #lastGeneration = 0
  #nodes: readonly NodeInfo[] | undefined
  #slots: readonly number[] = []

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  get nodes(): readonly NodeInfo[] {
    if (!this.#nodes) {
      this.#nodes = this.#inTurn()
      this.#slots = this.#nodes.map(({ slot }) => slot)
    }
    return this.#nodes
  }

  get slots(): readonly number[] {
    return this.nodes && this.#slots
  }

  get(nodeName: string): NodeInfo | undefined {
    return this.#known.has(nodeName) ? this.#entries.get(nodeName) : undefined
  }

  groupsIn(namespace: string): Iterable<PodGroup> {
    return this.#groups.get(namespace)?.values() ?? []
  }

  *groups(): Iterable<PodGroup> {
    for (const groups of this.#groups.values()) yield* groups.values()
  }

  groupsWithAffinity(): Iterable<PodGroup> {
    return this.#groupsWithAffinity
  }

  topology(key: string): Topology {
    return this.#topologies.of(key, this.nodes)
  }

  image(name: string): Readonly<ImageState> | undefined {
    return this.#images.get(name)
  }

  usersOfClaim(key: string): number {
    return this.#claimUsers.get(key) ?? 0
  }

  /** How much is kept, for the metrics. */
  get sizes(): { nodes: number; pods: number; assumedPods: number } {
    return { nodes: this.#known.size, pods: this.#places.size, assumedPods: this.#assumed.size }
  }

  setNode(node: Node): void {
    const { name } = node.metadata
    const entry = this.#entry(name)
    const known = this.#known.get(name)
    if (known) this.#dropImages(entry)
    entry.node = node
    if (!entry.exists) this.#topologies.touch()
    entry.exists = true
    this.#topologies.set(entry.slot, node)
    this.#addImages(entry)
    const zone = zoneOf(node)
    if (known?.zone !== zone) this.#nodes = undefined
    this.#known.set(name, { zone })
    this.#touch(entry)
  }

  removeNode(name: string): void {
    const entry = this.#entries.get(name)
    if (!entry || !this.#known.delete(name)) return
    this.#dropImages(entry)
    entry.exists = false
    this.#topologies.touch()
    this.#nodes = undefined
    this.#dropIfEmpty(entry)
  }

  /** A pod that the API has on a node. */
  setPod(pod: Pod, nodeName: string): void {
    const { uid } = pod.metadata
    if (hasFinished(pod)) return this.removePod(uid)
    const place = this.#places.get(uid)
    if (!place) return this.#put(newPodInfo(pod), nodeName, undefined)
    const info = renewedPodInfo(place.info, pod)
    // Most changes are the binding itself and the status: the node has no less room than before.
    const isSame = info.requests === place.info.requests && place.entry.name === nodeName && place.group.key === groupKey(pod)
    if (!isSame) return this.#put(info, nodeName, undefined)
    place.entry.pods.set(uid, info)
    this.#places.set(uid, { ...place, info, assumed: undefined })
    this.#assumed.delete(uid)
  }

  /** A pod that is about to be bound. */
  assume(info: PodInfo, nodeName: string): void {
    this.#put(info, nodeName, { expireMs: undefined })
    this.#assumed.add(info.pod.metadata.uid)
  }

  /** The binding is written: from now on the assumption counts for a while only. */
  finishBinding(uid: string): void {
    const assumed = this.#places.get(uid)?.assumed
    if (assumed) assumed.expireMs = this.#clock.now() + ASSUMED_POD_MS
  }

  /** The pod was not bound after all. */
  forget(uid: string): void {
    if (this.#assumed.has(uid)) this.removePod(uid)
  }

  isAssumed(uid: string): boolean {
    return this.#assumed.has(uid)
  }

  /** Gives back the places of pods that were bound long ago and never seen. */
  expire(): void {
    const nowMs = this.#clock.now()
    for (const uid of this.#assumed) {
      const expireMs = this.#places.get(uid)?.assumed?.expireMs
      if (expireMs !== undefined && expireMs <= nowMs) this.removePod(uid)
    }
  }

  removePod(uid: string): void {
    const place = this.#places.get(uid)
    if (!place) return
    this.#places.delete(uid)
    this.#assumed.delete(uid)
    place.entry.remove(place.info)
    this.#touch(place.entry)
    for (const key of place.info.claims) this.#countClaim(key, -1)
    this.#countGroup(place.group, place.entry, -1)
    this.#dropIfEmpty(place.entry)
  }

  #put(info: PodInfo, nodeName: string, assumed: Place['assumed']): void {
    const { uid } = info.pod.metadata
    this.removePod(uid)
    const entry = this.#entry(nodeName)
    const group = this.#groupOf(info)
    entry.add(info)
    this.#touch(entry)
    for (const key of info.claims) this.#countClaim(key, 1)
    this.#countGroup(group, entry, 1)
    this.#places.set(uid, { info, entry, group, assumed })
  }

  #touch({ slot }: NodeInfo): void {
    this.generations[slot] = ++this.#lastGeneration
  }

  #entry(name: string): NodeInfo {
    let entry = this.#entries.get(name)
    if (!entry) {
      entry = new NodeInfo({ metadata: { name, uid: '', resourceVersion: '', creationTimestamp: '' }, spec: {} })
      entry.exists = false
      entry.slot = this.#freeSlots.pop() ?? this.generations.length
      this.#entries.set(name, entry)
      this.#touch(entry)
    }
    return entry
  }

  #dropIfEmpty(entry: NodeInfo): void {
    if (entry.pods.size > 0 || this.#known.has(entry.name) || !this.#entries.delete(entry.name)) return
    this.#freeSlots.push(entry.slot)
  }

  #groupOf(info: PodInfo): PodGroup {
    const { namespace } = info.pod.metadata
    const key = groupKey(info.pod)
    let groups = this.#groups.get(namespace)
    if (!groups) this.#groups.set(namespace, (groups = new Map()))
    let group = groups.get(key)
    if (!group) {
      group = new PodGroup(key, info)
      groups.set(key, group)
      if (Object.values(info.wishes).some((terms: readonly unknown[]) => terms.length > 0)) this.#groupsWithAffinity.add(group)
    }
    return group
  }

  #countGroup(group: PodGroup, entry: NodeInfo, change: number): void {
    group.count(entry, change)
    if (group.nodes.size > 0) return
    const groups = this.#groups.get(group.namespace)
    groups?.delete(group.key)
    if (groups?.size === 0) this.#groups.delete(group.namespace)
    this.#groupsWithAffinity.delete(group)
  }

  #countClaim(key: string, change: number): void {
    const count = (this.#claimUsers.get(key) ?? 0) + change
    if (count > 0) this.#claimUsers.set(key, count)
    else this.#claimUsers.delete(key)
  }

  #addImages({ images }: NodeInfo): void {
    for (const [name, bytes] of images) {
      const state = this.#images.get(name)
      if (state) state.nodes++
      else this.#images.set(name, { nodes: 1, bytes })
    }
  }

  #dropImages({ images }: NodeInfo): void {
    for (const name of images.keys()) {
      const state = this.#images.get(name)
      if (state && --state.nodes === 0) this.#images.delete(name)
    }
  }

  /** One node of each zone, then the next of each. */
  #inTurn(): NodeInfo[] {
    const zones = new Map<string, NodeInfo[]>()
    for (const [name, { zone }] of this.#known) {
      const nodes = zones.get(zone)
      if (nodes) nodes.push(this.#entries.get(name) as NodeInfo)
      else zones.set(zone, [this.#entries.get(name) as NodeInfo])
    }
    const all: NodeInfo[] = []
    for (let round = 0; all.length < this.#known.size; round++)
      for (const nodes of zones.values()) {
        const node = nodes[round]
        if (node) all.push(node)
      }
    return all
  }
}
