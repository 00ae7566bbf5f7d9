/** Exponential backoff, per key or for one thing. Delays in milliseconds. */

export interface BackoffOptions {
  baseMs: number
  maxMs: number
  /** 2 unless given. */
  factor?: number
}

export class Backoff {
  readonly #options: Required<BackoffOptions>
  #failures = 0

  constructor(options: BackoffOptions) {
    this.#options = { factor: 2, ...options }
  }

  /** The delay before the next try; each call counts one more failure. */
  next(): number {
    const { baseMs, maxMs, factor } = this.#options
    return Math.min(maxMs, baseMs * factor ** this.#failures++)
  }

  reset(): void {
    this.#failures = 0
  }

  get failures(): number {
    return this.#failures
  }
}

export class KeyedBackoff {
  readonly #options: BackoffOptions
  readonly #byKey = new Map<string, Backoff>()

  constructor(options: BackoffOptions) {
    this.#options = options
  }

  next(key: string): number {
    let backoff = this.#byKey.get(key)
    if (!backoff) this.#byKey.set(key, (backoff = new Backoff(this.#options)))
    return backoff.next()
  }

  failures(key: string): number {
    return this.#byKey.get(key)?.failures ?? 0
  }

  forget(key: string): void {
    this.#byKey.delete(key)
  }
}
