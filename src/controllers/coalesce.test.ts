import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { coalesce, GrowingWindow } from './coalesce.ts'

test('the first of a burst goes at once, the rest together at the end of the window', async () => {
  const clock = new FakeClock()
  const seen: string[] = []
  const add = coalesce((key) => seen.push(key), clock, 20)
  for (const key of ['a', 'a', 'b', 'a']) add(key)
  assert.deepEqual(seen, ['a', 'b'])
  await clock.advance(20)
  assert.deepEqual(seen, ['a', 'b', 'a'])
  await clock.advance(100)
  add('a')
  assert.deepEqual(seen, ['a', 'b', 'a', 'a'])
})

test('a window grows with what is looked at and with the time that took, up to a limit', () => {
  const window = new GrowingWindow(20)
  assert.equal(window.ofKey('a'), 20)
  window.note('a', 2_000, 1)
  assert.equal(window.ofKey('a'), 520)
  window.note('a', 2_000, 40)
  assert.equal(window.ofKey('a'), 1_620)
  window.note('a', 2_000, 60_000)
  assert.equal(window.ofKey('a'), 2_020)
  window.forget('a')
  assert.equal(window.ofKey('a'), 20)
})
