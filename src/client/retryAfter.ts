/**
 * Requests that the server asks to be sent again: it was busy (429) or not able to (5xx) and told when to come back. Others that
 * fail are their callers' to try again (client-go's rest package).
 */
import { StatusError } from '../api/status.ts'
import type { Clock } from '../base/clock.ts'

/** client-go's. */
const RETRIES_MAX = 10

/** Undefined where it does not ask for it. */
function retryAfterMs(error: unknown): number | undefined {
  if (!(error instanceof StatusError) || (error.code !== 429 && error.code < 500)) return undefined
  const seconds = error.status.details?.retryAfterSeconds
  return seconds === undefined ? undefined : seconds * 1000
}

/** Rejects with the signal's reason when it aborts during a wait. */
export async function retryingAfter<T>(send: () => Promise<T>, { clock, signal }: { clock: Clock; signal?: AbortSignal }): Promise<T> {
  for (let retries = 0; ; retries++) {
    try {
      return await send()
    } catch (error) {
      const waitMs = retryAfterMs(error)
      if (waitMs === undefined || retries === RETRIES_MAX) throw error
      await clock.sleep(waitMs, signal)
    }
  }
}
