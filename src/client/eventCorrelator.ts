/**
 * What becomes of one more event (client-go's EventCorrelator): a new Event object, a higher count on a known one, or
 * nothing, when its source talks too much about one object. No I/O.
 */
import type { ObjectReference } from '../api/kinds/core/v1.ts'

export interface Occurrence {
  about: ObjectReference
  type: 'Normal' | 'Warning'
  reason: string
  message: string
}

export interface Series {
  /** Name of the Event object. */
  name: string
  count: number
  firstMs: number
  message: string
  /** It stands for events that differ in their message. */
  combined: boolean
}

export type EventPlan = { action: 'create'; series: Series } | { action: 'count'; series: Series } | { action: 'drop' }

/** Of events that differ in their message only the tenth and all after it are told as one, for as long as the window goes on. */
const SIMILAR_MESSAGES_LIMIT = 10
const SIMILAR_WINDOW_MS = 10 * 60_000
/** Events of one object: so many at once, then one every five minutes. */
const BURST = 25
const REFILL_MS = 5 * 60_000
/** How many objects and series are remembered; the longest unused are forgotten first. */
const REMEMBERED_LIMIT = 4096

class Remembered<V> {
  readonly #entries = new Map<string, V>()

  get(key: string): V | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) this.set(key, value)
    return value
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= REMEMBERED_LIMIT) return
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest)
      return
    }
  }
}

export class EventCorrelator {
  readonly #buckets = new Remembered<{ tokens: number; atMs: number }>()
  readonly #similar = new Remembered<{ messages: Set<string>; lastMs: number }>()
  readonly #series = new Remembered<Series>()
  readonly #newName: (about: ObjectReference) => string

  constructor(newName: (about: ObjectReference) => string) {
    this.#newName = newName
  }

  plan(event: Occurrence, nowMs: number): EventPlan {
    const { about, type, reason } = event
    const object = [about.kind, about.namespace, about.name, about.uid, about.fieldPath].join('|')
    const group = [object, type, reason].join('|')
    const combined = this.#combined(group, event.message, nowMs)
    const message = combined ? `(combined from similar events): ${event.message}` : event.message
    const key = combined ? group : `${group}|${message}`
    const known = this.#series.get(key)
    const series = known
      ? { ...known, count: known.count + 1, message }
      : { name: this.#newName(about), count: 1, firstMs: nowMs, message, combined }
    this.#series.set(key, series)
    // Last: what is not written is counted all the same, and shows in the next count that is.
    if (!this.#allowed(`${object}|${about.apiVersion}`, nowMs)) return { action: 'drop' }
    return { action: known ? 'count' : 'create', series }
  }

  #allowed(source: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(source) ?? { tokens: BURST, atMs: nowMs }
    const tokens = Math.min(BURST, bucket.tokens + (nowMs - bucket.atMs) / REFILL_MS)
    this.#buckets.set(source, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs })
    return tokens >= 1
  }

  #combined(group: string, message: string, nowMs: number): boolean {
    const known = this.#similar.get(group)
    const similar = known && nowMs - known.lastMs <= SIMILAR_WINDOW_MS ? known : { messages: new Set<string>(), lastMs: nowMs }
    similar.lastMs = nowMs
    this.#similar.set(group, similar)
    if (similar.messages.has(message)) return false
    if (similar.messages.size + 1 >= SIMILAR_MESSAGES_LIMIT) return true
    similar.messages.add(message)
    return false
  }
}
