import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newStatusError } from '../api/status.ts'
import { FakeClock } from '../base/clock.ts'
import { retryingAfter } from './retryAfter.ts'

const busy = (code: number, retryAfterSeconds?: number) =>
  newStatusError(code, 'TooManyRequests', 'busy', retryAfterSeconds === undefined ? {} : { retryAfterSeconds })

/** Advances whenever something waits, and tells for how long it did. */
async function sendUntil(outcomes: readonly (Error | 'answer')[]): Promise<{ sent: number; waitedMs: number; failure?: unknown }> {
  const clock = new FakeClock(0)
  let sent = 0
  const send = async (): Promise<string> => {
    const outcome = outcomes[Math.min(sent++, outcomes.length - 1)] as Error | 'answer'
    if (outcome instanceof Error) throw outcome
    return outcome
  }
  const outcome = { over: false, failure: undefined as unknown }
  const sending = retryingAfter(send, { clock })
    .catch((error: unknown) => (outcome.failure = error))
    .finally(() => (outcome.over = true))
  while (!outcome.over) {
    await new Promise((resolve) => setImmediate(resolve))
    if (!outcome.over) await clock.advance(1_000)
  }
  await sending
  const { failure } = outcome
  return { sent, waitedMs: clock.now(), ...(failure !== undefined && { failure }) }
}

const cases: readonly [string, readonly (Error | 'answer')[], { sent: number; waitedMs: number }][] = [
  ['an answer is an answer', ['answer'], { sent: 1, waitedMs: 0 }],
  ['429 is sent again when the server says so', [busy(429, 2), 'answer'], { sent: 2, waitedMs: 2_000 }],
  ['so are 503 and 500', [busy(503, 1), busy(500, 1), 'answer'], { sent: 3, waitedMs: 2_000 }],
]

for (const [name, outcomes, expected] of cases) test(name, async () => assert.deepEqual(await sendUntil(outcomes), expected))

test('what the server does not ask for is not sent again', async () => {
  for (const error of [busy(429), busy(503), busy(409, 1), new Error('broken pipe')]) {
    assert.deepEqual(await sendUntil([error, 'answer']), { sent: 1, waitedMs: 0, failure: error })
  }
})

test('it is not sent again for ever', async () => {
  const error = busy(429, 1)
  assert.deepEqual(await sendUntil([error]), { sent: 11, waitedMs: 10_000, failure: error })
})

test('who does not want the answer any more does not wait', async () => {
  const abort = new AbortController()
  const sending = retryingAfter(() => Promise.reject(busy(429, 60)), { clock: new FakeClock(), signal: abort.signal })
  setImmediate(() => abort.abort(new Error('gone')))
  await assert.rejects(sending, /gone/)
})
