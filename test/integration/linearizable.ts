/**
 * Whether a history of concurrent operations on one key could have happened one after the other, each somewhere between its
 * call and its answer (Wing and Gong's search, with Lowe's memory of what was tried). Every written value is unique, so that a
 * value stands for its resourceVersion.
 */

/** What the key holds; undefined when there is nothing. */
export type Value = string | undefined

export type Operation =
  | { type: 'get'; read: Value }
  | { type: 'create'; value: string }
  | { type: 'update'; value: string; expected: string }
  | { type: 'delete'; expected: string }

/** `unknown`: the connection broke, it may have happened at any time since, or never. */
export type Outcome = 'ok' | 'conflict' | 'missing' | 'unknown'

export interface Recorded {
  operation: Operation
  outcome: Outcome
  calledMs: number
  /** Infinity where the outcome is unknown. */
  answeredMs: number
}

/** The state after an operation that ended as it did; null where it cannot have ended so in this state. */
function step(state: Value, { operation, outcome }: Recorded): Value | null {
  if (operation.type === 'get') return state === operation.read ? state : null
  const applies = operation.type === 'create' ? state === undefined : state !== undefined && state === operation.expected
  const next = operation.type === 'delete' ? undefined : operation.value
  switch (outcome) {
    case 'ok':
      return applies ? next : null
    case 'unknown':
      // Where it would change nothing it need not be placed at all.
      return applies ? next : null
    case 'missing':
      return state === undefined ? state : null
    case 'conflict':
      return state !== undefined && !applies ? state : null
  }
}

/**
 * A value that nobody has ever seen cannot have been replaced, because every change names the value that it replaces: had it
 * been written, it would be there at the end. As far as answers tell, its write never happened.
 */
function withoutUnseen(history: readonly Recorded[]): Recorded[] {
  const seen = new Set<Value>()
  for (const { operation, outcome } of history) {
    if (operation.type === 'get') seen.add(operation.read)
    else if (operation.type !== 'create') seen.add(operation.expected)
    if (outcome === 'ok' && 'value' in operation) seen.add(operation.value)
  }
  return history.filter(({ operation, outcome }) => outcome !== 'unknown' || !('value' in operation) || seen.has(operation.value))
}

/** Answers undefined for a linearizable history, otherwise how far a search came: the operations that could not be placed. */
export function findViolation(history: readonly Recorded[], start: Value): Recorded[] | undefined {
  const operations = withoutUnseen(history).toSorted((a, b) => a.calledMs - b.calledMs)
  const done = new Uint8Array(operations.length)
  const tried = new Set<string>()
  const path: { index: number; before: Value; next: number }[] = []
  let state = start
  let from = 0
  let farthest = -1
  let stuck: Recorded[] = []

  /** Candidates are those called before anything that is not placed yet was answered. */
  const horizon = (): number => {
    let earliest = Infinity
    for (const [i, { calledMs, answeredMs }] of operations.entries()) {
      if (calledMs > earliest) break
      if (!done[i]) earliest = Math.min(earliest, answeredMs)
    }
    return earliest
  }

  for (;;) {
    const limit = horizon()
    if (limit === Infinity) return undefined
    let placed = false
    for (let i = from; i < operations.length; i++) {
      const candidate = operations[i] as Recorded
      if (candidate.calledMs > limit) break
      if (done[i]) continue
      const next = step(state, candidate)
      if (next === null) continue
      done[i] = 1
      if (next === state) {
        // What changes nothing can be placed as soon as it fits: nothing is gained by placing it later.
        path.push({ index: i, before: state, next: operations.length })
        from = 0
        placed = true
        break
      }
      const memory = `${Buffer.from(done).toString('latin1')}|${next ?? ''}`
      if (tried.has(memory)) {
        done[i] = 0
        continue
      }
      tried.add(memory)
      path.push({ index: i, before: state, next: i + 1 })
      state = next
      from = 0
      placed = true
      break
    }
    if (placed) continue
    if (path.length > farthest) {
      farthest = path.length
      stuck = operations.filter((candidate, i) => !done[i] && candidate.calledMs <= limit)
    }
    const back = path.pop()
    if (!back) return stuck
    done[back.index] = 0
    state = back.before
    from = back.next
  }
}
