/** Pods that wait for a change, found by the plugins that refused them; gated ones by their gate. */

interface Refused {
  readonly info: { readonly pod: { readonly metadata: { readonly uid: string } } }
  readonly refusedBy: ReadonlySet<string>
  readonly gatedBy: string | undefined
}

export class UnschedulablePods<T extends Refused> {
  readonly #byUid = new Map<string, T>()
  readonly #byPlugin = new Map<string, Set<T>>()

  get size(): number {
    return this.#byUid.size
  }

  get gated(): number {
    let gated = 0
    for (const { gatedBy } of this.#byUid.values()) if (gatedBy !== undefined) gated++
    return gated
  }

  /** How many each plugin keeps waiting. */
  get countsByPlugin(): ReadonlyMap<string, number> {
    return new Map([...this.#byPlugin].map(([plugin, pods]) => [plugin, pods.size]))
  }

  /** At this moment; it does not change with what becomes of them. */
  all(): T[] {
    return [...this.#byUid.values()]
  }

  get(uid: string): T | undefined {
    return this.#byUid.get(uid)
  }

  add(queued: T): void {
    this.#byUid.set(queued.info.pod.metadata.uid, queued)
    for (const plugin of this.#pluginsOf(queued)) {
      let pods = this.#byPlugin.get(plugin)
      if (!pods) this.#byPlugin.set(plugin, (pods = new Set()))
      pods.add(queued)
    }
  }

  delete(uid: string): void {
    const queued = this.#byUid.get(uid)
    if (!queued) return
    this.#byUid.delete(uid)
    for (const plugin of this.#pluginsOf(queued)) {
      const pods = this.#byPlugin.get(plugin)
      pods?.delete(queued)
      if (pods?.size === 0) this.#byPlugin.delete(plugin)
    }
  }

  #pluginsOf({ gatedBy, refusedBy }: T): Iterable<string> {
    return gatedBy === undefined ? refusedBy : [gatedBy]
  }
}
