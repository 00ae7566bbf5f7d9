/** A binary heap whose members can be taken out by key. */

export class KeyedHeap<T> {
  readonly #items: { key: string; value: T }[] = []
  readonly #places = new Map<string, number>()
  readonly #isBefore: (a: T, b: T) => boolean

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore
  }

  get size(): number {
    return this.#items.length
  }

  has(key: string): boolean {
    return this.#places.has(key)
  }

  get(key: string): T | undefined {
    const at = this.#places.get(key)
    return at === undefined ? undefined : this.#items[at]?.value
  }

  values(): T[] {
    return this.#items.map(({ value }) => value)
  }

  peek(): T | undefined {
    return this.#items[0]?.value
  }

  /** Takes the place of a member of the same key. */
  push(key: string, value: T): void {
    const known = this.#places.get(key)
    const at = known ?? this.#items.length
    this.#items[at] = { key, value }
    this.#places.set(key, at)
    this.#down(this.#up(at))
  }

  pop(): T | undefined {
    const first = this.#items[0]
    return first && this.delete(first.key)
  }

  delete(key: string): T | undefined {
    const at = this.#places.get(key)
    if (at === undefined) return undefined
    const { value } = this.#items[at] as { value: T }
    const last = this.#items.length - 1
    this.#swap(at, last)
    this.#items.pop()
    this.#places.delete(key)
    if (at < last) this.#down(this.#up(at))
    return value
  }

  #up(from: number): number {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(at, parent)) break
      this.#swap(at, parent)
      at = parent
    }
    return at
  }

  #down(from: number): void {
    for (let at = from; ;) {
      let first = at
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < this.#items.length && this.#before(child, first)) first = child
      if (first === at) return
      this.#swap(at, first)
      at = first
    }
  }

  #before(a: number, b: number): boolean {
    return this.#isBefore((this.#items[a] as { value: T }).value, (this.#items[b] as { value: T }).value)
  }

  #swap(a: number, b: number): void {
    if (a === b) return
    const [x, y] = [this.#items[a] as { key: string; value: T }, this.#items[b] as { key: string; value: T }]
    this.#items[a] = y
    this.#items[b] = x
    this.#places.set(y.key, a)
    this.#places.set(x.key, b)
  }
}
