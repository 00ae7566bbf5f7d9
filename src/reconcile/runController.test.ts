import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import type { KubeObject } from '../api/resource.ts'
import { Client } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import type { ControllerContext, Outcome } from './controller.ts'
import { runController } from './runController.ts'

function setUp(t: TestContext, reconcile: (key: string) => Promise<Outcome>, workers?: number) {
  const clock = new FakeClock()
  const stop = new AbortController()
  const synced = Promise.withResolvers<void>()
  let enqueue: (key: string) => void = () => {}
  const unused = {
    request: () => Promise.reject(new Error('unused')),
    watch: () => {
      throw new Error('unused')
    },
  }
  const context: ControllerContext = {
    client: new Client(unused),
    informers: {
      for: () => {
        throw new Error('unused')
      },
    },
    events: { record: () => {} },
    signal: stop.signal,
    log: silentLogger,
    clock,
  }
  const informer = { synced: () => synced.promise } as unknown as Informer<KubeObject>
  const watches = [{ start: (_: unknown, add: (key: string) => void) => ((enqueue = add), informer) }]
  const running = runController({ name: 'test', watches, reconcile, ...(workers && { workers }) }, context)
  t.after(() => stop.abort())
  return { clock, stop, running, synced, enqueue: (key: string) => enqueue(key) }
}

test('nothing is worked on before the caches are filled; it ends with its signal', async (t) => {
  const seen: string[] = []
  const { clock, stop, running, synced, enqueue } = setUp(t, async (key) => void seen.push(key))
  enqueue('a')
  await clock.advance(1_000)
  assert.deepEqual(seen, [])
  synced.resolve()
  await clock.advance(0)
  assert.deepEqual(seen, ['a'])
  stop.abort()
  await running
})

test('one key is never worked on twice at a time, several keys are', async (t) => {
  const gates = new Map<string, PromiseWithResolvers<void>[]>([
    ['a', []],
    ['b', []],
  ])
  const { clock, synced, enqueue } = setUp(t, (key) => {
    const gate = Promise.withResolvers<void>()
    gates.get(key)?.push(gate)
    return gate.promise
  })
  synced.resolve()
  await clock.advance(0)
  enqueue('a')
  await clock.advance(0)
  enqueue('a')
  enqueue('b')
  await clock.advance(0)
  assert.deepEqual([gates.get('a')?.length, gates.get('b')?.length], [1, 1])
  gates.get('a')?.[0]?.resolve()
  await clock.advance(0)
  assert.equal(gates.get('a')?.length, 2)
})

test('a failure comes again with a growing delay, which a success resets; a request to look again is kept', async (t) => {
  const atMs: number[] = []
  const startMs = new FakeClock().now()
  const { clock, synced, enqueue } = setUp(t, async () => {
    atMs.push(clock.now() - startMs)
    if (atMs.length <= 3) throw new Error('not yet')
    if (atMs.length === 4) return { requeueAfterMs: 1_000 }
  })
  synced.resolve()
  await clock.advance(0)
  enqueue('a')
  await clock.advance(60_000)
  assert.deepEqual(atMs, [0, 5, 15, 35, 1_035])
})

test('backoff is capped at five minutes', async (t) => {
  let tries = 0
  const { clock, synced, enqueue } = setUp(t, async () => {
    tries++
    throw new Error('never')
  })
  synced.resolve()
  await clock.advance(0)
  enqueue('a')
  await clock.advance(60 * 60_000)
  const before = tries
  await clock.advance(5 * 60_000)
  assert.equal(tries, before + 1)
})

test('work without end leaves the event loop its turns', async (t) => {
  let reconciled = 0
  const { synced, stop, running, enqueue } = setUp(t, async (key) => {
    reconciled++
    enqueue(key)
  })
  synced.resolve()
  enqueue('a')
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve))
  stop.abort()
  await running
  assert.ok(reconciled > 8)
})
