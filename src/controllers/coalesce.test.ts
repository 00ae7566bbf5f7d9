import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { coalesce } from './coalesce.ts'

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
