import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { runSteps, type Step, type StepReporter } from '../cluster/start/steps.ts'
import { UserError } from '../cluster/userError.ts'
import type { CliContext } from './context.ts'
import { bothReporters, errorEvent, jsonReporter, plainReporter } from './reporters.ts'

interface Event {
  specversion: string
  id: string
  type: string
  data: Record<string, string>
}

const failure = new UserError({ area: 'GUEST', sort: 'TIMEOUT', message: 'too slow', hint: 'wait' })
const good: Step<object> = { name: 'one', message: 'Doing one', run: async (_, step) => step.progress('half of it'), undo: async () => {} }
const bad: Step<object> = { name: 'two', message: 'Doing two', run: () => Promise.reject(failure) }

async function report(steps: readonly Step<object>[], reporter: StepReporter, signal = new AbortController().signal): Promise<void> {
  const frozen = { ...systemClock, now: () => 0 }
  await runSteps(steps, {}, { reporter, signal, clock: frozen }).catch(() => {})
}

async function plainLines(steps: readonly Step<object>[], verbose: boolean): Promise<string> {
  let text = ''
  const stderr = { write: (part: string) => Boolean((text += part)) } as NodeJS.WriteStream
  await report(steps, plainReporter({ stderr, verbose } as CliContext))
  return text
}

test('plain lines: one a step, with its time', async () => {
  assert.equal(await plainLines([good, { ...good, message: 'Doing more' }], false), '* Doing one (0.0s)\n* Doing more (0.0s)\n')
})

test('plain lines: the step that failed, and with -v the way there and back', async () => {
  assert.equal(await plainLines([good, bad], false), '* Doing one (0.0s)\nX Doing two\n')
  assert.equal(await plainLines([good, bad], true), '  Doing one: half of it\n* Doing one (0.0s)\nX Doing two\n  undoing: Doing one\n')
})

async function eventsOf(steps: readonly Step<object>[], signal?: AbortSignal): Promise<Event[]> {
  const events: Event[] = []
  await report(
    steps,
    jsonReporter((event) => events.push(event as Event)),
    signal,
  )
  return events
}

test('events: numbered steps, each with an id of its own; the failure is told where the command ends', async () => {
  const events = await eventsOf([good, bad])
  assert.deepEqual(
    events.map(({ type, data }) => [type, data]),
    [
      ['io.k8s.sigs.minikube.step', { currentstep: '1', totalsteps: '2', name: 'one', message: 'Doing one' }],
      ['io.k8s.sigs.minikube.step', { currentstep: '2', totalsteps: '2', name: 'two', message: 'Doing two' }],
    ],
  )
  assert.deepEqual((errorEvent(failure) as Event).data, { exitcode: '82', name: 'GUEST_TIMEOUT', message: 'too slow', advice: 'wait' })
  assert.equal(new Set(events.map(({ id }) => id)).size, 2)
  assert.ok(events.every(({ specversion }) => specversion === '1.0'))
})

test('events: a notice is one', () => {
  const events: Event[] = []
  jsonReporter((event) => events.push(event as Event)).onNotice('Installing docker.io')
  assert.deepEqual(
    events.map(({ type, data }) => [type, data]),
    [['io.k8s.sigs.minikube.info', { message: 'Installing docker.io' }]],
  )
})

test('events: what nobody expected has an exit code as well', () => {
  assert.deepEqual((errorEvent(new Error('boom')) as Event).data, { exitcode: '10', name: 'MK_INTERNAL', message: 'boom' })
})

test('events: an interruption has the exit code that the command ends with', () => {
  assert.equal((errorEvent(AbortSignal.abort().reason) as Event).data['exitcode'], '130')
})

test('two reporters are told the same', async () => {
  const told: string[][] = [[], []]
  const [first, second] = told.map((texts) => jsonReporter((event) => texts.push(String((event as Event).data['message']))))
  await report([good, bad], bothReporters(first as StepReporter, second as StepReporter))
  assert.deepEqual(told, [
    ['Doing one', 'Doing two'],
    ['Doing one', 'Doing two'],
  ])
})
