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

/** Of what a reconcile looks at and writes anew, 1,000 objects make its window 250 ms longer: many changes of much are taken together. */
const OBJECTS_PER_WINDOW_MS = 4
/** Looking at much takes a fortieth of the time at most, however slow the machine is. */
const WINDOWS_PER_LOOK = 40
/** Nobody waits longer than this for others' changes. */
const WINDOW_MAX_MS = 2_000

/** A window that grows with what a key's reconcile has to look at, and with how long its last look took. */
export class GrowingWindow {
  readonly #windows = new Map<string, number>()
  readonly #baseMs: number

  constructor(baseMs: number) {
    this.#baseMs = baseMs
  }

  note(key: string, size: number, tookMs: number): void {
    this.#windows.set(key, Math.min(Math.max(size / OBJECTS_PER_WINDOW_MS, tookMs * WINDOWS_PER_LOOK), WINDOW_MAX_MS))
  }

  forget(key: string): void {
    this.#windows.delete(key)
  }

  readonly ofKey = (key: string): number => this.#baseMs + (this.#windows.get(key) ?? 0)
}
