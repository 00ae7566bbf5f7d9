import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FailedPodBackoff } from './failedPods.ts'

const MINUTE_MS = 60_000

test('the first failure is mended at once, each further one later, up to a quarter of an hour', () => {
  const backoff = new FailedPodBackoff()
  const waits: number[] = []
  let nowMs = 0
  for (let i = 0; i < 12; i++) {
    const leftMs = backoff.leftMs('ns/ds/n', nowMs)
    waits.push(leftMs)
    nowMs += leftMs
    backoff.replaced('ns/ds/n', nowMs)
  }
  assert.deepEqual(waits.slice(0, 4), [0, 1_000, 2_000, 4_000])
  assert.equal(waits.at(-1), 15 * MINUTE_MS)
  assert.equal(backoff.leftMs('ns/ds/other', nowMs), 0)
})

test('a place that has been quiet for long starts over', () => {
  const backoff = new FailedPodBackoff()
  for (const nowMs of [0, 10_000, 20_000]) backoff.replaced('ns/ds/n', nowMs)
  assert.equal(backoff.leftMs('ns/ds/n', 20_000), 4_000)
  backoff.replaced('ns/ds/n', 60 * MINUTE_MS)
  assert.equal(backoff.leftMs('ns/ds/n', 60 * MINUTE_MS), 1_000)
})
