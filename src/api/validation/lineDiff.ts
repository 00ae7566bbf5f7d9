/** What changed, as a unified diff of JSON: upstream adds it to the message that refuses an update. */

const CONTEXT_LINES = 3

function trimmed(a: readonly string[], b: readonly string[]): { start: number; endA: number; endB: number } {
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let [endA, endB] = [a.length, b.length]
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    endA--
    endB--
  }
  return { start, endA, endB }
}

/** One hunk, from the first line that differs to the last. */
export function lineDiff(before: unknown, after: unknown): string {
  const lines = (value: unknown): string[] => JSON.stringify(value ?? null, null, 1).split('\n')
  const [a, b] = [lines(before), lines(after)]
  const { start, endA, endB } = trimmed(a, b)
  if (start === endA && start === endB) return ''
  const from = Math.max(0, start - CONTEXT_LINES)
  const tail = a.slice(endA, endA + CONTEXT_LINES)
  const body = [
    ...a.slice(from, start).map((line) => ` ${line}`),
    ...a.slice(start, endA).map((line) => `-${line}`),
    ...b.slice(start, endB).map((line) => `+${line}`),
    ...tail.map((line) => ` ${line}`),
  ]
  const range = (end: number): string => `${from + 1},${end + tail.length - from}`
  return `@@ -${range(endA)} +${range(endB)} @@\n${body.join('\n')}\n`
}
