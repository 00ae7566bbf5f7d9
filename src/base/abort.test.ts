import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inTime } from './abort.ts'
import { FakeClock } from './clock.ts'

describe('work in time', () => {
  const setUp = (signal?: AbortSignal) => {
    const clock = new FakeClock()
    const work = Promise.withResolvers<string>()
    const late = (): Error => new Error('late')
    return { clock, work, outcome: inTime(work.promise, { clock, timeoutMs: 1_000, late, ...(signal && { signal }) }) }
  }

  test('is done, or fails by itself', async () => {
    const done = setUp()
    done.work.resolve('done')
    assert.equal(await done.outcome, 'done')
    const failed = setUp()
    failed.work.reject(new Error('own'))
    await assert.rejects(failed.outcome, /own/)
  })

  test('takes too long, whatever becomes of it afterwards', async () => {
    const { clock, work, outcome } = setUp()
    const rejected = assert.rejects(outcome, /late/)
    await clock.advance(1_000)
    await rejected
    work.reject(new Error('nobody hears of this'))
  })

  test('is given up, during the wait and before it', async () => {
    const stop = new AbortController()
    const waiting = setUp(stop.signal)
    const rejected = assert.rejects(waiting.outcome, /given up/)
    stop.abort(new Error('given up'))
    await rejected
    const begun = setUp(stop.signal)
    await assert.rejects(begun.outcome, /given up/)
    begun.work.reject(new Error('nobody hears of this'))
  })
})
