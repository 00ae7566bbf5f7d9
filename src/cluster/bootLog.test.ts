import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import type Docker from 'dockerode'
import { BootLog, engineTime, followBoot, parseBootLine } from './bootLog.ts'
import { UserError } from './userError.ts'

const signal = new AbortController().signal
const boot = (phase: string, elapsedMs = 5): string =>
  JSON.stringify({ time: 'x', level: 'info', message: 'boot phase', event: 'boot', phase, elapsedMs })

test('lines of the log', () => {
  assert.deepEqual(parseBootLine(boot('api', 7)), { kind: 'phase', phase: 'api', elapsedMs: 7 })
  assert.deepEqual(parseBootLine('{"event":"boot-failed","error":"no disk"}'), { kind: 'failed', error: 'no disk' })
  assert.deepEqual(parseBootLine('{"event":"boot-failed","error":{"message":"no disk","stack":"…"}}'), { kind: 'failed', error: 'no disk' })
  assert.deepEqual(parseBootLine('{"event":"boot-failed"}'), { kind: 'failed', error: 'no reason given' })
  for (const line of ['', 'plain', '{"event"', '{"event":"other"}', boot('unheard-of'), '{"message":"\\"event\\""}'])
    assert.deepEqual(parseBootLine(line), { kind: 'other' }, line)
})

test('a phase counts as reached with the next one', async () => {
  const log = new BootLog(() => {})
  log.read(boot('node', 40))
  assert.equal(await log.waitFor('engine', signal), 40)
  assert.equal(await log.waitFor('node', signal), 40)
})

test('a phase that was reached stays so when the log ends', async () => {
  const log = new BootLog(() => {})
  log.read(boot('api'))
  log.ended()
  assert.equal(await log.waitFor('api', signal), 5)
  await assert.rejects(log.waitFor('ready', signal), UserError)
})

test('a failed boot fails at once, with the last lines', async () => {
  let stopped = 0
  const log = new BootLog(() => stopped++)
  const waiting = log.waitFor('ready', signal)
  log.read('{"level":"error","component":"store","message":"cannot open","error":{"message":"disk full"}}')
  log.read('{"event":"boot-failed","error":"the store is broken"}')
  await assert.rejects(
    waiting,
    (error) =>
      error instanceof UserError &&
      /the store is broken/.test(error.message) &&
      /\[store\] error cannot open disk full/.test(error.message),
  )
  assert.equal(stopped, 1)
})

test('a boot that fails on a full disk says what to make room for', async () => {
  for (const line of [
    '{"event":"boot-failed","error":"not written: database or disk is full"}',
    'mkdir: /var/x: No space left on device',
  ]) {
    const log = new BootLog(() => {})
    const waiting = log.waitFor('ready', signal)
    log.read(line)
    log.ended()
    await assert.rejects(waiting, { exitCode: 26, message: /^the disk is full: the node/, hint: /Docker Root Dir/ })
  }
})

test('an abort ends the wait with its reason', async () => {
  const controller = new AbortController()
  const waiting = new BootLog(() => {}).waitFor('dns', controller.signal)
  controller.abort(new Error('enough'))
  await assert.rejects(waiting, { message: 'enough' })
})

test("the engine's times keep their nanoseconds", () => {
  assert.equal(engineTime('2026-11-22T16:54:12.973950512Z'), '1795366452.973950512')
  assert.equal(engineTime('2026-11-22T16:54:12Z'), '1795366452.000000000')
})

test('a log whose connection breaks leaves nobody waiting', async () => {
  for (const how of ['end', 'destroy'] as const) {
    const stream = new PassThrough()
    const container = {
      logs: () => Promise.resolve(stream),
      modem: { demuxStream: (from: PassThrough, to: PassThrough) => void from.on('data', (chunk: Buffer) => to.write(chunk)) },
    } as unknown as Docker.Container
    const log = await followBoot(container, '2026-01-01T00:00:00Z')
    const waiting = log.waitFor('ready', AbortSignal.timeout(5000))
    stream[how]()
    await assert.rejects(waiting, /the node container ended while it was starting/)
  }
})
