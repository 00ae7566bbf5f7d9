import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import type { Event, Pod } from '../api/kinds/core/v1.ts'
import { newForbidden, newServiceUnavailable } from '../api/status.ts'
import { Client, type ResourceRequest } from './client.ts'
import { createEventRecorder } from './events.ts'

const POD: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'ns', uid: 'u', resourceVersion: '7', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { containers: [] },
}
const EVENT = { type: 'Normal', reason: 'Started', message: 'm' } as const

function setUp(answer: (request: ResourceRequest, nth: number) => Promise<unknown>) {
  const clock = new FakeClock()
  const written: ResourceRequest[] = []
  const client = new Client({
    request: (request) => answer(request, written.push(request)),
    watch: () => assert.fail('nothing is watched here'),
  })
  return { clock, written, recorder: createEventRecorder({ client, component: 'tester', host: 'n', log: silentLogger, clock }) }
}

function eventOf(request: ResourceRequest | undefined): Event {
  assert.ok(request)
  return request.body as Event
}

const settle = (clock: FakeClock): Promise<void> => clock.advance(60_000)

test('an event is written with its object, source and time; a repetition counts it up', async () => {
  const { clock, written, recorder } = setUp(async () => ({}))
  recorder.record(POD, EVENT)
  recorder.record(POD, { ...EVENT })
  await settle(clock)
  assert.deepEqual(
    written.map(({ verb }) => verb),
    ['create', 'patch'],
  )
  const { involvedObject, source, count, lastTimestamp } = eventOf(written[0])
  assert.deepEqual(involvedObject, { kind: 'Pod', namespace: 'ns', name: 'p', uid: 'u', apiVersion: 'v1', resourceVersion: '7' })
  assert.deepEqual([source, count, lastTimestamp], [{ component: 'tester', host: 'n' }, 1, '2026-01-01T00:00:00Z'])
  assert.deepEqual(written[1]?.body, { count: 2, lastTimestamp: '2026-01-01T00:00:00Z', message: 'm' })
})

test('a write that is tried again is still one event', async () => {
  const { clock, written, recorder } = setUp(async (_, nth) => {
    if (nth < 3) throw newServiceUnavailable('starting')
    return {}
  })
  recorder.record(POD, EVENT)
  await settle(clock)
  assert.deepEqual(
    written.map(({ verb, body }) => [verb, (body as Event).count]),
    [
      ['create', 1],
      ['create', 1],
      ['create', 1],
    ],
  )
})

test('a refusal is final, and an unreachable server is given up after some tries; the next event is written all the same', async () => {
  let refuse: Error = newForbidden({ group: '', resource: 'events' }, 'p', 'the namespace is going away')
  const { clock, written, recorder } = setUp(async ({ body }) => {
    if ((body as Event).reason !== 'Last') throw refuse
    return {}
  })
  recorder.record(POD, { ...EVENT, reason: 'Refused' })
  await settle(clock)
  assert.equal(written.length, 1)
  refuse = newServiceUnavailable('away')
  recorder.record(POD, { ...EVENT, reason: 'Lost' })
  await settle(clock)
  assert.equal(written.length, 6)
  recorder.record(POD, { ...EVENT, reason: 'Last' })
  await settle(clock)
  assert.equal(eventOf(written.at(-1)).reason, 'Last')
})

test('recording neither waits nor throws, however many events there are and whatever the server does', () => {
  const { recorder } = setUp(() => new Promise(() => {}))
  for (let i = 0; i < 5_000; i++) recorder.record(POD, { ...EVENT, message: `${i}` })
})
