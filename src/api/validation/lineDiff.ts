/**
 * What changed, as a unified diff of JSON: upstream adds it to the message that refuses an update. The lines that stay are found as
 * difflib finds them (longest run first, then left and right of it), so that both tell the same change in the same lines.
 */

const CONTEXT_LINES = 3
/** In texts of so many lines, a line that is there more often than one in a hundred begins no run. */
const POPULAR_FROM_LINES = 200

/** Lines of both texts, each from its first to before its last. */
interface Span {
  a: readonly [number, number]
  b: readonly [number, number]
}

interface Run {
  a: number
  b: number
  length: number
}

/** Where each line stands. */
function placesOf(lines: readonly string[]): Map<string, number[]> {
  const places = new Map<string, number[]>()
  for (const [i, line] of lines.entries()) {
    const known = places.get(line)
    if (known) known.push(i)
    else places.set(line, [i])
  }
  if (lines.length < POPULAR_FROM_LINES) return places
  const most = Math.floor(lines.length / 100) + 1
  return new Map([...places].filter(([, found]) => found.length <= most))
}

class Matcher {
  readonly #a: readonly string[]
  readonly #b: readonly string[]
  readonly #places: Map<string, number[]>

  constructor(a: readonly string[], b: readonly string[]) {
    this.#a = a
    this.#b = b
    this.#places = placesOf(b)
  }

  /** The longest run within the span; of several the first. */
  #longest({ a: [aFrom, aTo], b: [bFrom, bTo] }: Span): Run {
    let best: Run = { a: aFrom, b: bFrom, length: 0 }
    let endingAt = new Map<number, number>()
    for (let i = aFrom; i < aTo; i++) {
      const next = new Map<number, number>()
      for (const j of this.#places.get(this.#a[i] as string) ?? []) {
        if (j < bFrom) continue
        if (j >= bTo) break
        const length = (endingAt.get(j - 1) ?? 0) + 1
        next.set(j, length)
        if (length > best.length) best = { a: i - length + 1, b: j - length + 1, length }
      }
      endingAt = next
    }
    let { a, b, length } = best
    while (a > aFrom && b > bFrom && this.#a[a - 1] === this.#b[b - 1]) [a, b, length] = [a - 1, b - 1, length + 1]
    while (a + length < aTo && b + length < bTo && this.#a[a + length] === this.#b[b + length]) length++
    return { a, b, length }
  }

  /** Everything that stays, in order; runs that touch are one. */
  runs(): Run[] {
    const found: Run[] = []
    const open: Span[] = [{ a: [0, this.#a.length], b: [0, this.#b.length] }]
    for (let span = open.pop(); span; span = open.pop()) {
      const run = this.#longest(span)
      if (run.length === 0) continue
      found.push(run)
      open.push({ a: [span.a[0], run.a], b: [span.b[0], run.b] })
      open.push({ a: [run.a + run.length, span.a[1]], b: [run.b + run.length, span.b[1]] })
    }
    const joined: Run[] = []
    for (const run of found.sort((x, y) => x.a - y.a)) {
      const last = joined.at(-1)
      if (last && last.a + last.length === run.a && last.b + last.length === run.b) last.length += run.length
      else joined.push({ ...run })
    }
    return joined
  }
}

/** The spans that differ. */
function changesOf(a: readonly string[], b: readonly string[]): Span[] {
  const changes: Span[] = []
  let [i, j] = [0, 0]
  for (const run of [...new Matcher(a, b).runs(), { a: a.length, b: b.length, length: 0 }]) {
    if (i < run.a || j < run.b) changes.push({ a: [i, run.a], b: [j, run.b] })
    ;[i, j] = [run.a + run.length, run.b + run.length]
  }
  return changes
}

/** Changes that have their context in common are told together. */
function hunksOf(changes: readonly Span[]): Span[][] {
  const hunks: Span[][] = []
  for (const change of changes) {
    const last = hunks.at(-1)?.at(-1)
    if (last && change.a[0] - last.a[1] <= 2 * CONTEXT_LINES) hunks.at(-1)?.push(change)
    else hunks.push([change])
  }
  return hunks
}

function rangeOf(from: number, to: number): string {
  const length = to - from
  if (length === 1) return String(from + 1)
  return `${length === 0 ? from : from + 1},${length}`
}

function hunkText(hunk: readonly Span[], a: readonly string[], b: readonly string[]): string {
  const [first, last] = [hunk[0] as Span, hunk.at(-1) as Span]
  const before = Math.min(CONTEXT_LINES, first.a[0], first.b[0])
  const after = Math.min(CONTEXT_LINES, a.length - last.a[1])
  const lines: string[] = []
  let at = first.a[0] - before
  for (const change of hunk) {
    lines.push(...a.slice(at, change.a[0]).map((line) => ` ${line}`))
    lines.push(...a.slice(...change.a).map((line) => `-${line}`), ...b.slice(...change.b).map((line) => `+${line}`))
    at = change.a[1]
  }
  lines.push(...a.slice(at, at + after).map((line) => ` ${line}`))
  const ranges = `-${rangeOf(first.a[0] - before, last.a[1] + after)} +${rangeOf(first.b[0] - before, last.b[1] + after)}`
  return `@@ ${ranges} @@\n${lines.join('\n')}\n`
}

/** In hunks with three lines around them; '' where nothing differs. */
export function lineDiff(before: unknown, after: unknown): string {
  const linesOf = (value: unknown): string[] => JSON.stringify(value ?? null, null, 1).split('\n')
  const [a, b] = [linesOf(before), linesOf(after)]
  return hunksOf(changesOf(a, b))
    .map((hunk) => hunkText(hunk, a, b))
    .join('')
}
