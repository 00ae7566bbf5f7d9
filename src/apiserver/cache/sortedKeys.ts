/**
 * The keys of one resource in byte order, for lists and their pages. Thousands of new keys between two lists are sorted in
 * together by the second one, as to move an array's end for each of them would cost more the more there are.
 */

/** So few are put in one by one: a list after a single change does not copy all keys. */
const SINGLY_MAX = 8
/** As many changes as there are keys, and at least so many, are put in order even if nobody lists. */
const WAITING_MIN = 1_000

const byteOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export class SortedKeys {
  #keys: string[] = []
  /** Changed since the keys were last in order: whether each is to be among them. */
  readonly #changes = new Map<string, boolean>()

  add(key: string): void {
    this.#note(key, true)
  }

  delete(key: string): void {
    this.#note(key, false)
  }

  replace(keys: Iterable<string>): void {
    this.#changes.clear()
    this.#keys = [...keys].sort(byteOrder)
  }

  /** The keys under `prefix` that come after `after`. */
  under(prefix: string, after = ''): readonly string[] {
    this.#settle()
    let start = this.#position(prefix > after ? prefix : after)
    if (after && this.#keys[start] === after) start++
    let end = this.#keys.length
    if (!this.#keys[end - 1]?.startsWith(prefix)) end = this.#position(`${prefix}\uffff`)
    return start === 0 && end === this.#keys.length ? this.#keys : this.#keys.slice(start, end)
  }

  #note(key: string, isThere: boolean): void {
    this.#changes.set(key, isThere)
    if (this.#changes.size > Math.max(WAITING_MIN, this.#keys.length)) this.#settle()
  }

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

  #settle(): void {
    if (this.#changes.size > SINGLY_MAX) this.#merge()
    else for (const [key, isThere] of this.#changes) this.#change(key, isThere)
    this.#changes.clear()
  }

  #change(key: string, isThere: boolean): void {
    const at = this.#position(key)
    if ((this.#keys[at] === key) === isThere) return
    if (isThere) this.#keys.splice(at, 0, key)
    else this.#keys.splice(at, 1)
  }

  #merge(): void {
    const changed = [...this.#changes].sort(([a], [b]) => byteOrder(a, b))
    const merged: string[] = []
    let next = 0
    for (const [key, isThere] of changed) {
      while (next < this.#keys.length && (this.#keys[next] as string) < key) merged.push(this.#keys[next++] as string)
      if (this.#keys[next] === key) next++
      if (isThere) merged.push(key)
    }
    while (next < this.#keys.length) merged.push(this.#keys[next++] as string)
    this.#keys = merged
  }
}
