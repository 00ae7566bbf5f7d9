import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Changes, RETRY_MS, runApplyLoop } from './applyLoop.ts'
import { FakeClock } from './clock.ts'
import type { Logger } from './logger.ts'

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function started(apply: (n: number) => void | Promise<void>) {
  const clock = new FakeClock()
  const abort = new AbortController()
  const changes = new Changes()
  const seen = { applied: 0, forgotten: 0, ready: 0, errors: [] as unknown[] }
  const log = { error: (_: string, error: unknown) => void seen.errors.push(error) } as unknown as Logger
  const done = runApplyLoop(
    { failure: 'not applied', apply: async () => apply(++seen.applied), forget: () => void seen.forgotten++ },
    changes,
    { signal: abort.signal, clock, log, ready: () => void seen.ready++ },
  ).catch((error: unknown) => {
    if (!abort.signal.aborted) throw error
  })
  const advance = async (ms: number): Promise<void> => {
    for (let i = 0; i < ms; i++) {
      await clock.advance(1)
      await settle()
    }
  }
  return { changes, seen, advance, stop: () => (abort.abort(), done) }
}

test('a change that comes alone is applied at once', async () => {
  const { changes, seen, advance, stop } = started(() => {})
  await advance(100)
  assert.equal(seen.applied, 1)
  changes.tell()
  await advance(2)
  assert.equal(seen.applied, 2)
  await stop()
})

test('a burst becomes few applications, and its last change is among them', async () => {
  const { changes, seen, advance, stop } = started(() => {})
  await advance(100)
  for (let i = 0; i < 30; i++) {
    changes.tell()
    await advance(1)
  }
  const during = seen.applied
  assert.ok(during <= 5, `${during} applications`)
  changes.tell()
  await advance(100)
  assert.ok(seen.applied > during)
  await stop()
})

test('a change that comes during an application is applied after it', async () => {
  const going = Promise.withResolvers<void>()
  const { changes, seen, advance, stop } = started((n) => (n === 1 ? going.promise : undefined))
  await advance(1)
  changes.tell()
  going.resolve()
  await advance(100)
  assert.equal(seen.applied, 2)
  await stop()
})

test('after a failure what was applied is forgotten, and it is tried again after a while', async () => {
  const { seen, advance, stop } = started((n) => {
    if (n === 1) throw new Error('refused')
  })
  await advance(RETRY_MS - 10)
  assert.deepEqual([seen.applied, seen.forgotten, seen.ready], [1, 1, 0])
  await advance(20)
  assert.deepEqual([seen.applied, seen.forgotten, seen.ready, seen.errors.length], [2, 1, 1, 1])
  await stop()
})

test('it ends with its signal, whatever it waits for', async () => {
  const { seen, advance, stop } = started(() => {})
  await advance(50)
  await stop()
  assert.equal(seen.applied, 1)
})
