import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import type { ComponentHealth } from '../base/component.ts'
import { createLogger } from '../base/logger.ts'
import { Boot, BOOT_TIMEOUT_MS, limitBoot } from './boot.ts'

test('the host reads phases and failures as JSON lines', () => {
  const lines: string[] = []
  const log = createLogger({ write: (line) => void lines.push(line) })
  let nowMs = 100
  const boot = new Boot(log, () => nowMs)
  nowMs = 350
  boot.reached('api')
  boot.failed(new Error('no engine'))
  const [reached, failed] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual([reached?.['event'], reached?.['phase'], reached?.['elapsedMs']], ['boot', 'api', 250])
  assert.deepEqual([failed?.['event'], failed?.['error']], ['boot-failed', 'no engine'])
})

const HEALTH: readonly ComponentHealth[] = [
  { name: 'kube-scheduler', state: 'Running', restarts: 0 },
  { name: 'kube-dns', state: 'Failed', restarts: 3, lastError: 'address in use' },
]

test('a boot that takes too long ends with what is missing', async () => {
  const clock = new FakeClock()
  const limit = limitBoot({ signal: new AbortController().signal, clock, health: () => HEALTH })
  await clock.advance(BOOT_TIMEOUT_MS - 1)
  assert.equal(limit.signal.aborted, false)
  await clock.advance(1)
  assert.equal(String(limit.signal.reason), 'Error: not ready after 300 s: kube-dns is Failed (address in use)')
})

test('a boot that is done has no limit any more, and one that is stopped ends at once', async () => {
  const clock = new FakeClock()
  const stop = new AbortController()
  const limit = limitBoot({ signal: stop.signal, clock, health: () => HEALTH })
  limit.done()
  await clock.advance(2 * BOOT_TIMEOUT_MS)
  assert.equal(limit.signal.aborted, false)
  stop.abort()
  assert.equal(limit.signal.aborted, true)
})
