import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CrashLoopBackoff, crashLoopLimits } from './crashLoopBackoff.ts'

test('no delay at first, then 10 s doubling to 300 s', () => {
  const backoff = new CrashLoopBackoff(crashLoopLimits(300_000))
  let now = 0
  const delays: number[] = []
  for (let end = 0; end < 8; end++) {
    now += 1000
    const delayMs = backoff.delayMs('k', now)
    delays.push(delayMs)
    backoff.restarted('k', now, now + delayMs)
    now += delayMs
  }
  assert.deepEqual(delays, [0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000])
})

test('a shorter longest delay shortens the first one, too', () =>
  assert.deepEqual(
    [crashLoopLimits(20_000), crashLoopLimits(2_000)],
    [
      { baseMs: 10_000, maxMs: 20_000 },
      { baseMs: 2_000, maxMs: 2_000 },
    ],
  ))

test('a container that ran for ten minutes starts over', () => {
  const backoff = new CrashLoopBackoff(crashLoopLimits(300_000))
  backoff.restarted('k', 0, 0)
  assert.equal(backoff.delayMs('k', 600_000), 10_000)
  assert.equal(backoff.delayMs('k', 600_001), 0)
})

test('containers do not share their delays', () => {
  const backoff = new CrashLoopBackoff(crashLoopLimits(300_000))
  backoff.restarted('u/a', 0, 0)
  assert.equal(backoff.delayMs('u/b', 1), 0)
  backoff.forgetAll('u/')
  assert.equal(backoff.delayMs('u/a', 1), 0)
})
