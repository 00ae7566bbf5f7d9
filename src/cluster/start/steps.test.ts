import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { runSteps, type RunStepsOptions, silentReporter, type Step } from './steps.ts'

type Log = string[]

function step(
  name: string,
  log: Log,
  more: { fails?: boolean; undoFails?: boolean; noUndo?: boolean; onRun?: () => void } = {},
): Step<Log> {
  return {
    name,
    message: name.toUpperCase(),
    async run() {
      log.push(`run ${name}`)
      more.onRun?.()
      if (more.fails) throw new Error(`${name} failed`)
    },
    ...(!more.noUndo && {
      async undo() {
        log.push(`undo ${name}`)
        if (more.undoFails) throw new Error(`undo of ${name} failed`)
      },
    }),
  }
}

const options = (more: Partial<RunStepsOptions> = {}): RunStepsOptions => ({
  reporter: silentReporter,
  signal: new AbortController().signal,
  clock: new FakeClock(),
  ...more,
})

test('steps run in order and tell the reporter their place', async () => {
  const log: Log = []
  const reporter = {
    ...silentReporter,
    onStepStart: ({ index, total, message }: { index: number; total: number; message: string }) =>
      log.push(`start ${index}/${total} ${message}`),
    onStepDone: ({ name }: { name: string }) => log.push(`done ${name}`),
  }
  await runSteps([step('a', log), step('b', log)], log, options({ reporter }))
  assert.deepEqual(log, ['start 1/2 A', 'run a', 'done a', 'start 2/2 B', 'run b', 'done b'])
})

test('a failure undoes the failed step first, then those before it', async () => {
  const log: Log = []
  const steps = [step('a', log), step('b', log, { noUndo: true }), step('c', log, { fails: true }), step('d', log)]
  await assert.rejects(runSteps(steps, log, options()), { message: 'c failed' })
  assert.deepEqual(log, ['run a', 'run b', 'run c', 'undo c', 'undo a'])
})

test('--retain undoes nothing', async () => {
  const log: Log = []
  await assert.rejects(runSteps([step('a', log), step('b', log, { fails: true })], log, options({ retain: true })))
  assert.deepEqual(log, ['run a', 'run b'])
})

test('an abort in the middle undoes what was begun and runs nothing more', async () => {
  const log: Log = []
  const controller = new AbortController()
  const steps = [step('a', log), step('b', log, { onRun: () => controller.abort() }), step('c', log)]
  await assert.rejects(runSteps(steps, log, options({ signal: controller.signal })), { name: 'AbortError' })
  assert.deepEqual(log, ['run a', 'run b', 'undo b', 'undo a'])
})

test('an undo that fails does not stop the others, and is told with the first failure', async () => {
  const log: Log = []
  const steps = [step('a', log), step('b', log, { undoFails: true }), step('c', log, { fails: true })]
  await assert.rejects(runSteps(steps, log, options()), (error) => {
    assert.ok(error instanceof AggregateError)
    assert.equal(error.message, 'c failed')
    assert.deepEqual(
      error.errors.map((one: Error) => one.message),
      ['c failed', 'undo of b failed'],
    )
    return true
  })
  assert.deepEqual(log, ['run a', 'run b', 'run c', 'undo c', 'undo b', 'undo a'])
})
