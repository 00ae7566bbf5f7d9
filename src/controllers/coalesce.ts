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
