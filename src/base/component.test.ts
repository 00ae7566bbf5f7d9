import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aborted } from './abort.ts'
import { FakeClock } from './clock.ts'
import { Supervisor, type Component } from './component.ts'
import { silentLogger } from './logger.ts'

function setUp() {
  const clock = new FakeClock()
  return { clock, supervisor: new Supervisor({ log: silentLogger, clock }) }
}

const steady = (name: string, onStop: () => void = () => {}): Component => ({
  name,
  async run({ signal, ready }) {
    ready()
    await aborted(signal)
    onStop()
  },
})

test('a component that fails is started again, with a growing delay', async () => {
  const { clock, supervisor } = setUp()
  const startedMs: number[] = []
  const startMs = clock.now()
  const started = supervisor.start({
    name: 'shaky',
    async run({ signal, ready }) {
      startedMs.push(clock.now() - startMs)
      if (startedMs.length < 4) throw new Error('not yet')
      ready()
      await aborted(signal)
    },
  })
  await clock.advance(5_000)
  await started
  assert.deepEqual(startedMs, [0, 100, 300, 700])
  assert.deepEqual(supervisor.health(), [{ name: 'shaky', state: 'Running', restarts: 3, lastError: 'not yet', readyAfterMs: 0 }])
  await supervisor.stop()
})

test('who waits for a component that never starts is told why; the component is tried on', async () => {
  const { clock, supervisor } = setUp()
  let tries = 0
  const started = supervisor.start({
    name: 'broken',
    async run() {
      tries++
      throw new Error('address in use')
    },
  })
  const told = assert.rejects(started, /broken did not start: address in use/)
  await clock.advance(20_000)
  await told
  const before = tries
  await clock.advance(30_000)
  assert.ok(tries > before, `still ${tries} tries`)
  await supervisor.stop()
  assert.equal(supervisor.health()[0]?.state, 'Stopped')
})

test('who waits for a component that is stopped before it is ready is told', async () => {
  const { supervisor } = setUp()
  const started = supervisor.start({ name: 'slow', run: ({ signal }) => aborted(signal) })
  await supervisor.stop()
  await assert.rejects(started, /slow was stopped before it was ready/)
})

test('components stop one after the other, the last started first', async () => {
  const { supervisor } = setUp()
  const stopped: string[] = []
  for (const name of ['first', 'second', 'third']) await supervisor.start(steady(name, () => stopped.push(name)))
  await supervisor.stop()
  assert.deepEqual(stopped, ['third', 'second', 'first'])
})

test('a component that ignores its signal does not hold up the others', async () => {
  const { clock, supervisor } = setUp()
  let stopped = false
  await supervisor.start(steady('polite', () => (stopped = true)))
  await supervisor.start({
    name: 'deaf',
    run({ ready }) {
      ready()
      return new Promise(() => {})
    },
  })
  const stopping = supervisor.stop()
  await clock.advance(5_000)
  await stopping
  assert.equal(stopped, true)
})
