import { Changes } from '../base/applyLoop.ts'
import type { Clock } from '../base/clock.ts'

/** The services that changed since they were last looked at, and since when the rules lag behind. */
export class ChangedServices {
  readonly changes = new Changes()
  readonly #keys = new Set<string>()
  readonly #clock: Clock
  #waitingSinceMs: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#waitingSinceMs = clock.now()
  }

  /** Undefined while the rules are those that the cluster wants. */
  get waitingSinceMs(): number | undefined {
    return this.#waitingSinceMs
  }

  add(key: string | undefined): void {
    if (key === undefined) return
    this.#keys.add(key)
    this.#waitingSinceMs ??= this.#clock.now()
    this.changes.tell()
  }

  take(): string[] {
    const keys = [...this.#keys]
    this.#keys.clear()
    return keys
  }

  /** What was taken is in the kernel. */
  applied(): void {
    this.#waitingSinceMs = this.#keys.size > 0 ? this.#clock.now() : undefined
  }
}
