import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import type { Pod } from '../api/kinds/core/v1.ts'
import type { Event } from '../api/kinds/events/v1.ts'
import { newNotFound } from '../api/status.ts'
import { Client, type ResourceRequest } from './client.ts'
import { createReportingRecorder } from './reportedEvents.ts'

const pod = (resourceVersion: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'ns', uid: 'u', resourceVersion, creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { containers: [] },
})
const EVENT = { type: 'Warning', reason: 'FailedScheduling', message: 'm', action: 'Scheduling' } as const

function setUp(answer: (request: ResourceRequest) => Promise<unknown> = async () => ({})) {
  const clock = new FakeClock()
  const written: ResourceRequest[] = []
  const client = new Client({
    request: (request) => {
      written.push(request)
      return answer(request)
    },
    watch: () => assert.fail('nothing is watched here'),
  })
  const { signal } = new AbortController()
  const options = { client, controller: 'default-scheduler', host: 'h', log: silentLogger, clock, signal }
  return { clock, written, recorder: createReportingRecorder(options) }
}

const MINUTE_MS = 60_000

test('an event tells what was done and who reports', async () => {
  const { clock, written, recorder } = setUp()
  recorder.record(pod('7'), EVENT)
  await clock.advance(0)
  assert.ok(written[0])
  const { metadata, ...event } = written[0].body as Event
  assert.match(metadata.name, /^p\.[0-9a-f]{16}$/)
  assert.deepEqual(event, {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'default-scheduler',
    reportingInstance: 'default-scheduler-h',
    action: 'Scheduling',
    reason: 'FailedScheduling',
    regarding: { kind: 'Pod', namespace: 'ns', name: 'p', uid: 'u', apiVersion: 'v1', resourceVersion: '7' },
    note: 'm',
    type: 'Warning',
  })
})

test('the second of its kind begins a series, which is told when it is over; another state of the object is another event', async () => {
  const { clock, written, recorder } = setUp()
  for (let i = 0; i < 4; i++) {
    recorder.record(pod('7'), EVENT)
    await clock.advance(1_000)
  }
  recorder.record(pod('8'), EVENT)
  await clock.advance(0)
  const verbs = (): string[] => written.map(({ verb }) => verb)
  assert.deepEqual(verbs(), ['create', 'patch', 'create'])
  assert.deepEqual(written[1]?.body, { series: { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' } })
  await clock.advance(13 * MINUTE_MS)
  assert.deepEqual(verbs(), ['create', 'patch', 'create', 'patch'])
  assert.deepEqual(written[3]?.body, { series: { count: 4, lastObservedTime: '2026-01-01T00:00:03.000000Z' } })
  recorder.record(pod('7'), EVENT)
  await clock.advance(0)
  assert.equal(verbs().at(-1), 'create')
})

test('a series whose event is gone starts with a new one', async () => {
  const { clock, written, recorder } = setUp(async ({ verb }) => {
    if (verb === 'patch') throw newNotFound({ group: '', resource: 'events' }, 'p')
    return {}
  })
  recorder.record(pod('7'), EVENT)
  recorder.record(pod('7'), EVENT)
  await clock.advance(0)
  assert.ok(written[2])
  assert.equal((written[2].body as Event).series?.count, 2)
})
