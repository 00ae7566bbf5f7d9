/**
 * Keeps a part of the kernel (rules, routes) as the cluster's objects want it. A change that comes alone is applied at once;
 * what comes while that goes on, or shortly after, becomes one application. One that fails is tried again from nothing.
 */
import type { ComponentContext } from './component.ts'

/** Whatever wakes the loop; nothing is lost between the look at the world and the wait for its next change. */
export class Changes {
  #changed = Promise.withResolvers<void>()

  readonly tell = (): void => this.#changed.resolve()

  /** Resolves with the first change that is told from now on. */
  next(): Promise<void> {
    this.#changed = Promise.withResolvers<void>()
    return this.#changed.promise
  }
}

export interface Applied {
  /** For the log, when it cannot be done. */
  failure: string
  /** Makes the kernel as everything wants it at this moment. */
  apply(signal: AbortSignal): Promise<void>
  /** What the kernel holds is unknown: the next application starts from nothing. */
  forget(): void
}

/** What one request changes arrives together, if not in the same instant. */
const TOGETHER_MS = 1
/** Between two applications: a long burst of changes does not keep a processor busy. */
const BETWEEN_MS = 10
export const RETRY_MS = 1_000

export async function runApplyLoop(
  { failure, apply, forget }: Applied,
  changes: Changes,
  { signal, clock, log, ready }: ComponentContext,
): Promise<void> {
  signal.addEventListener('abort', changes.tell, { once: true })
  try {
    while (!signal.aborted) {
      const changed = changes.next()
      try {
        await apply(signal)
        ready()
      } catch (error) {
        if (signal.aborted) break
        log.error(failure, error)
        forget()
        await clock.sleep(RETRY_MS, signal)
        continue
      }
      await clock.sleep(BETWEEN_MS, signal)
      await changed
      if (!signal.aborted) await clock.sleep(TOGETHER_MS, signal)
    }
  } finally {
    signal.removeEventListener('abort', changes.tell)
  }
}
