import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { WorkQueue } from './workQueue.ts'

function setUp() {
  const clock = new FakeClock()
  return { clock, queue: new WorkQueue({ clock, backoff: { baseMs: 5, maxMs: 20 } }) }
}

test('a key waits once and comes again when it was added during its work', async () => {
  const { queue } = setUp()
  for (const key of ['a', 'b', 'a']) queue.add(key)
  assert.equal(await queue.next(), 'a')
  assert.equal(await queue.next(), 'b')
  queue.add('a')
  assert.equal(queue.length, 0)
  queue.done('a')
  assert.equal(await queue.next(), 'a')
  queue.done('a')
  assert.equal(queue.length, 0)
})

test('of several delays the earliest counts', async () => {
  const { queue, clock } = setUp()
  queue.addAfter('a', 1_000)
  queue.addAfter('a', 100)
  queue.addAfter('a', 500)
  await clock.advance(99)
  assert.equal(queue.length, 0)
  await clock.advance(1)
  assert.equal(await queue.next(), 'a')
  queue.done('a')
  await clock.advance(10_000)
  assert.equal(queue.length, 0)
})

test('backoff doubles up to its limit and is forgotten', async () => {
  const { queue, clock } = setUp()
  const waits: number[] = []
  for (let i = 0; i < 5; i++) {
    const startMs = clock.now()
    queue.addRateLimited('a')
    while (queue.length === 0) await clock.advance(1)
    waits.push(clock.now() - startMs)
    queue.done((await queue.next()) as string)
    if (i === 3) queue.forget('a')
  }
  assert.deepEqual(waits, [5, 10, 20, 20, 5])
})

test('closing wakes the waiting workers with nothing', async () => {
  const { queue } = setUp()
  const waiting = queue.next()
  queue.close()
  assert.equal(await waiting, undefined)
  queue.add('a')
  assert.equal(await queue.next(), undefined)
})
