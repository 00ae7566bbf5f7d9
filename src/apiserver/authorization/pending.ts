/**
 * Decisions in the middle of pure code, such as expressions and rules of kinds: where somebody outside has to be asked, the work
 * is given up, and done again from the start when the answer is there.
 */
import type { Authorizer, Decision, RequestAttributes } from '../request.ts'

/** Thrown by work that needs a decision which is not there yet. */
class PendingDecision extends Error {
  override readonly name = 'PendingDecision'
  readonly settled: Promise<unknown>

  constructor(settled: Promise<unknown>) {
    super('the decision is being made')
    this.settled = settled
  }
}

const keyOf = (attributes: RequestAttributes): string => JSON.stringify(attributes)

/** Asks each question once. Throws what `withDecisions` waits for. */
export function decisionsNow(authorizer: Authorizer): (attributes: RequestAttributes) => Decision {
  const known = new Map<string, Decision>()
  return (attributes) => {
    const key = known.size > 0 ? keyOf(attributes) : ''
    const found = known.get(key)
    if (found) return found
    const decided = authorizer.authorize(attributes)
    if (!(decided instanceof Promise)) return decided
    throw new PendingDecision(decided.then((decision) => known.set(keyOf(attributes), decision)))
  }
}

/** Decisions that one piece of work may wait for. */
const PENDING_LIMIT = 1_000

/** Does the work again and again until it has all decisions. */
export async function withDecisions<T>(work: () => T | Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof PendingDecision) || tries >= PENDING_LIMIT) throw error
      await error.settled
    }
  }
}
