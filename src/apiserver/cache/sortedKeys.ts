/** The keys of one resource in byte order, for lists and their pages. */
export class SortedKeys {
  readonly #keys: string[] = []

  /** Index of the first key that is not before `key`. */
  #position(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] as string) < key) low = middle + 1
      else high = middle
    }
    return low
  }

  add(key: string): void {
    const at = this.#position(key)
    if (this.#keys[at] !== key) this.#keys.splice(at, 0, key)
  }

  delete(key: string): void {
    const at = this.#position(key)
    if (this.#keys[at] === key) this.#keys.splice(at, 1)
  }

  replace(keys: Iterable<string>): void {
    this.#keys.length = 0
    for (const key of keys) this.#keys.push(key)
    this.#keys.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  }

  /** The keys under `prefix` that come after `after`. */
  under(prefix: string, after = ''): readonly string[] {
    let start = this.#position(prefix > after ? prefix : after)
    if (after && this.#keys[start] === after) start++
    let end = this.#keys.length
    if (!this.#keys[end - 1]?.startsWith(prefix)) end = this.#position(`${prefix}\uffff`)
    return start === 0 && end === this.#keys.length ? this.#keys : this.#keys.slice(start, end)
  }
}
