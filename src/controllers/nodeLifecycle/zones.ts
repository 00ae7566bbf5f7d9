/**
 * How fast nodes that fell silent may drive their pods away. Nodes of one zone (a cluster without zones is one) wait for each
 * other: one at a time is what a failing machine looks like, many at once look like a broken network between them and the
 * control plane, where it is better to wait, and if no node at all is heard of, it is the control plane that hears nothing.
 * Keeps the states and rates of upstream's pkg/controller/nodelifecycle. No I/O.
 */
import type { Node } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import { readiness } from './plan.ts'

export interface EvictionRates {
  /** Nodes a second while a zone is well, or wholly lost. */
  perSecond: number
  /** Nodes a second while a large part of a large zone is lost; of a small zone none are then. */
  secondaryPerSecond: number
  /** A zone with more nodes is a large one. */
  largeZoneNodes: number
  /** The share of nodes that are not ready from which on the zone counts as unwell. */
  unhealthyShare: number
}

/** Upstream's defaults. */
export const DEFAULT_EVICTION_RATES: EvictionRates = {
  perSecond: 0.1,
  secondaryPerSecond: 0.01,
  largeZoneNodes: 50,
  unhealthyShare: 0.55,
}

/** So few lost nodes make no zone unwell, whatever their share. */
const UNHEALTHY_NODES_MIN = 3
const EXCLUDED_LABEL = 'node.kubernetes.io/exclude-disruption'

interface Census {
  ready: number
  notReady: number
}

export type ZoneState = 'Normal' | 'PartialDisruption' | 'FullDisruption'

export function zoneState({ ready, notReady }: Census, unhealthyShare: number): ZoneState {
  if (ready === 0 && notReady > 0) return 'FullDisruption'
  return notReady >= UNHEALTHY_NODES_MIN && notReady / (ready + notReady) >= unhealthyShare ? 'PartialDisruption' : 'Normal'
}

/** Nodes a second that may drive their pods away. */
export function evictionRate(census: Census, rates: EvictionRates): number {
  if (zoneState(census, rates.unhealthyShare) !== 'PartialDisruption') return rates.perSecond
  return census.ready + census.notReady > rates.largeZoneNodes ? rates.secondaryPerSecond : 0
}

export function zoneOf({ metadata: { labels = {} } }: Node): string {
  const zone = labels['failure-domain.beta.kubernetes.io/zone'] ?? labels['topology.kubernetes.io/zone'] ?? ''
  const region = labels['failure-domain.beta.kubernetes.io/region'] ?? labels['topology.kubernetes.io/region'] ?? ''
  return `${region}\0${zone}`
}

class Zone {
  readonly census: Census = { ready: 0, notReady: 0 }
  readonly members = new Set<string>()
  /** Who waits for a turn, in order. */
  readonly waiting = new Set<string>()
  perSecond: number
  #nextTurnMs = 0

  constructor(perSecond: number) {
    this.perSecond = perSecond
  }

  /** A zone that waits for its next turn at the old rate begins to wait anew at the new one. */
  changeRate(perSecond: number, nowMs: number): boolean {
    if (perSecond === this.perSecond) return false
    const waits = this.perSecond <= 0 || nowMs < this.#nextTurnMs
    this.perSecond = perSecond
    if (waits) this.took(nowMs)
    return true
  }

  took(nowMs: number): void {
    this.#nextTurnMs = this.perSecond > 0 ? nowMs + 1_000 / this.perSecond : nowMs
  }

  waitMs(name: string, nowMs: number): number | undefined {
    this.waiting.add(name)
    if (this.perSecond <= 0) return undefined
    const before = [...this.waiting].indexOf(name)
    return Math.max(0, this.#nextTurnMs - nowMs) + (before * 1_000) / this.perSecond
  }
}

interface Member {
  zone: string
  /** Undefined: excluded from what makes a zone unwell. */
  counts: keyof Census | undefined
}

/** What is known of all nodes, by zone. */
export class EvictionZones {
  readonly #rates: EvictionRates
  readonly #clock: Clock
  readonly #zones = new Map<string, Zone>()
  readonly #members = new Map<string, Member>()
  readonly #total: Census = { ready: 0, notReady: 0 }

  constructor(rates: EvictionRates, clock: Clock) {
    this.#rates = rates
    this.#clock = clock
  }

  /** No node at all is ready: then none drives its pods away. */
  get isDisrupted(): boolean {
    return this.#total.ready === 0 && this.#total.notReady > 0
  }

  /** Takes in what is known of a node by now, undefined when it is gone. Answers the nodes for which that makes a difference. */
  observe(name: string, node: Node | undefined): readonly string[] {
    const before = this.#members.get(name)
    const after = node && memberOf(node)
    if (before?.zone === after?.zone && before?.counts === after?.counts) return [name]
    const wasDisrupted = this.isDisrupted
    if (before) this.#count(name, before, -1)
    if (after) this.#count(name, after, 1)
    const touched = new Set([before?.zone, after?.zone].filter((zone) => zone !== undefined))
    const concerned = [...touched].flatMap((zone) => this.#settle(zone))
    return wasDisrupted === this.isDisrupted ? [name, ...concerned] : [name, ...this.#members.keys()]
  }

  #count(name: string, member: Member, by: 1 | -1): void {
    let zone = this.#zones.get(member.zone)
    if (!zone) this.#zones.set(member.zone, (zone = new Zone(this.#rates.perSecond)))
    if (by === 1) {
      this.#members.set(name, member)
      zone.members.add(name)
    } else {
      this.#members.delete(name)
      zone.members.delete(name)
      zone.waiting.delete(name)
    }
    if (!member.counts) return
    zone.census[member.counts] += by
    this.#total[member.counts] += by
  }

  /** Sets the rate that the zone's state asks for; answers who may wait for that. */
  #settle(key: string): readonly string[] {
    const zone = this.#zones.get(key)
    if (!zone) return []
    if (zone.members.size === 0) this.#zones.delete(key)
    return zone.changeRate(evictionRate(zone.census, this.#rates), this.#clock.now()) ? [...zone.waiting] : []
  }

  #zoneOf(name: string): Zone | undefined {
    const member = this.#members.get(name)
    return member && this.#zones.get(member.zone)
  }

  /** How long until it is this node's turn; 0 when it is. Undefined: not before the zone is better, which is told by `observe`. */
  waitMs(name: string): number | undefined {
    return this.#zoneOf(name)?.waitMs(name, this.#clock.now())
  }

  /** The node has had its turn. */
  took(name: string): void {
    const zone = this.#zoneOf(name)
    zone?.waiting.delete(name)
    zone?.took(this.#clock.now())
  }

  /** The node needs no turn any more. */
  leave(name: string): void {
    this.#zoneOf(name)?.waiting.delete(name)
  }
}

function memberOf(node: Node): Member {
  const isExcluded = node.metadata.labels?.[EXCLUDED_LABEL] !== undefined
  return { zone: zoneOf(node), counts: isExcluded ? undefined : readiness(node) === 'True' ? 'ready' : 'notReady' }
}
