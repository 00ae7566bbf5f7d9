/** Bursts of changes of one key become two: the first at once, the rest together at the end of the window. */
import type { Clock } from '../base/clock.ts'

/** No window at all (0): each change is told at once. */
export function coalesce(
  enqueue: (key: string) => void,
  clock: Clock,
  windowMs: number | ((key: string) => number),
): (key: string) => void {
  const open = new Set<string>()
  const again = new Set<string>()
  const add = (key: string): void => {
    if (open.has(key)) {
      again.add(key)
      return
    }
    enqueue(key)
    const waitMs = typeof windowMs === 'number' ? windowMs : windowMs(key)
    if (waitMs <= 0) return
    open.add(key)
    clock.after(waitMs, () => {
      open.delete(key)
      if (again.delete(key)) add(key)
    })
  }
  return add
}

/** Of what a reconcile looks at, 1,000 objects make its window 50 ms longer: many changes of much are taken together. */
const OBJECTS_PER_WINDOW_MS = 20

/** A window that grows with how much a key's reconcile has to look at, as noted when it did last. */
export class GrowingWindow {
  readonly #sizes = new Map<string, number>()
  readonly #baseMs: number

  constructor(baseMs: number) {
    this.#baseMs = baseMs
  }

  note(key: string, size: number): void {
    this.#sizes.set(key, size)
  }

  forget(key: string): void {
    this.#sizes.delete(key)
  }

  readonly ofKey = (key: string): number => this.#baseMs + (this.#sizes.get(key) ?? 0) / OBJECTS_PER_WINDOW_MS
}
