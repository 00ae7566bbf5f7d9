import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { aborted, allOrNone, inTime } from './abort.ts'
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

describe('all or none', () => {
  const { signal } = new AbortController()

  test('one does not wait for the other, and all are waited for', async () => {
    const first = Promise.withResolvers<void>()
    await allOrNone([() => first.promise, async () => first.resolve()], signal)
  })

  test('the first failure stops the others, and is the one that is told', async () => {
    const ended: string[] = []
    const waits = async (stopped: AbortSignal): Promise<void> => {
      await aborted(stopped)
      ended.push('stopped')
      throw new Error('stopped')
    }
    await assert.rejects(allOrNone([waits, () => Promise.reject(new Error('own'))], signal), /own/)
    assert.deepEqual(ended, ['stopped'])
  })

  test('whoever waits for them can stop them', async () => {
    const stop = new AbortController()
    const outcome = allOrNone([(stopped) => aborted(stopped).then(() => stopped.throwIfAborted())], stop.signal)
    stop.abort(new Error('enough'))
    await assert.rejects(outcome, /enough/)
  })
})
