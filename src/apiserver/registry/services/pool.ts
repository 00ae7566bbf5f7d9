/**
 * Numbers that are handed out once: offsets of cluster addresses, node ports. Who has which is read from the objects
 * themselves, so nothing has to be repaired; a reservation holds a number while its object is on the way to the store.
 * As upstream does, random picks come from the upper part first and leave the lower part to those who choose.
 */
export class Pool {
  readonly #first: number
  readonly #size: number
  readonly #staticSize: number
  readonly #holders = new Map<number, Set<string>>()
  readonly #reserved = new Set<number>()

  constructor(options: { first: number; size: number; staticSize: number }) {
    this.#first = options.first
    this.#size = options.size
    this.#staticSize = options.staticSize
  }

  contains(value: number): boolean {
    return value >= this.#first && value < this.#first + this.#size
  }

  isFree(value: number): boolean {
    return !this.#reserved.has(value) && !(this.#holders.get(value)?.size ?? 0)
  }

  /** False when somebody else has it. */
  reserve(value: number): boolean {
    if (!this.isFree(value)) return false
    this.#reserved.add(value)
    return true
  }

  /** A free number, reserved; undefined when there is none left. */
  pick(): number | undefined {
    const upper = this.#search(this.#first + this.#staticSize, this.#size - this.#staticSize)
    const found = upper ?? this.#search(this.#first, this.#staticSize)
    if (found !== undefined) this.#reserved.add(found)
    return found
  }

  #search(first: number, size: number): number | undefined {
    if (size <= 0) return undefined
    const start = Math.floor(Math.random() * size)
    for (let i = 0; i < size; i++) {
      const value = first + ((start + i) % size)
      if (this.isFree(value)) return value
    }
    return undefined
  }

  release(value: number): void {
    this.#reserved.delete(value)
  }

  /** An object that holds the number has come into the cache. */
  hold(value: number, key: string): void {
    const holders = this.#holders.get(value) ?? new Set()
    this.#holders.set(value, holders.add(key))
    this.#reserved.delete(value)
  }

  letGo(value: number, key: string): void {
    const holders = this.#holders.get(value)
    if (holders?.delete(key) && holders.size === 0) this.#holders.delete(value)
  }
}
