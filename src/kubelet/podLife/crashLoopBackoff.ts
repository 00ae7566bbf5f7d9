/**
 * How long a container that keeps ending waits before it runs again: not at all the first time, then 10 s, 20 s … 300 s,
 * and from the start again once it ran ten minutes.
 */
export interface CrashLoopLimits {
  baseMs: number
  maxMs: number
}

const BASE_MS = 10_000

/** A shorter longest delay shortens the first one, too. */
export function crashLoopLimits(maxMs: number): CrashLoopLimits {
  return { baseMs: Math.min(BASE_MS, maxMs), maxMs }
}
/** In multiples of the longest delay: a container that lasted so long is not in a loop. */
const FORGIVEN_AFTER = 2

export class CrashLoopBackoff {
  readonly #limits: CrashLoopLimits
  readonly #entries = new Map<string, { delayMs: number; restartedAtMs: number }>()

  constructor(limits: CrashLoopLimits) {
    this.#limits = limits
  }

  #entry(key: string, finishedAtMs: number): { delayMs: number; restartedAtMs: number } | undefined {
    const entry = this.#entries.get(key)
    return entry && finishedAtMs - entry.restartedAtMs <= FORGIVEN_AFTER * this.#limits.maxMs ? entry : undefined
  }

  /** The whole delay that holds after an end at `finishedAtMs`; 0 when it may start at once. */
  delayMs(key: string, finishedAtMs: number): number {
    return this.#entry(key, finishedAtMs)?.delayMs ?? 0
  }

  /** To be called when it is started again after an end at `finishedAtMs`. */
  restarted(key: string, finishedAtMs: number, nowMs: number): void {
    const entry = this.#entry(key, finishedAtMs)
    const delayMs = entry ? Math.min(entry.delayMs * 2, this.#limits.maxMs) : this.#limits.baseMs
    this.#entries.set(key, { delayMs, restartedAtMs: nowMs })
  }

  forgetAll(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key)
  }
}
