/** Bursts of changes of one key become two: the first at once, the rest together at the end of the window. */
import type { Clock } from '../base/clock.ts'

export function coalesce(enqueue: (key: string) => void, clock: Clock, windowMs: number): (key: string) => void {
  const open = new Set<string>()
  const again = new Set<string>()
  const add = (key: string): void => {
    if (open.has(key)) {
      again.add(key)
      return
    }
    open.add(key)
    enqueue(key)
    clock.after(windowMs, () => {
      open.delete(key)
      if (again.delete(key)) add(key)
    })
  }
  return add
}
