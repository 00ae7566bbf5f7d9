import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import type { Pod } from '../api/kinds/core/v1.ts'
import { ADD, DELETE, type ClusterEvent, type EventHint } from './events.ts'
import { newPrioritySort, newSchedulingGates } from './plugins/queueing.ts'
import { SchedulingQueue, type QueuedPod } from './queue.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const pod = (name: string, spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { ...META, uid: name, name, namespace: 'default' },
  spec: { containers: [{ name: 'c', image: 'x' }], ...spec },
})

const FIT = new Set(['Fit'])
const NODE_ADDED: ClusterEvent = { resource: 'Node', actions: ADD }
const POD_GONE: ClusterEvent = { resource: 'Pod', actions: DELETE, before: pod('gone') }

function setUp(hint?: EventHint['mayHelp']) {
  const clock = new FakeClock()
  const gates = newSchedulingGates()
  const hints = new Map<string, readonly EventHint[]>([
    ['Fit', [{ resource: 'Node', actions: ADD, ...(hint && { mayHelp: hint }) }]],
    ['SchedulingGates', gates.events],
  ])
  const queue = new SchedulingQueue({
    clock,
    hooks: {
      isBefore: newPrioritySort().isBefore ?? (() => false),
      gate(p) {
        const reason = gates.preEnqueue?.(p)
        return reason === undefined ? undefined : { plugin: gates.name, reason }
      },
      hints: () => hints,
    },
  })
  const next = (): QueuedPod => {
    const queued = queue.tryNext()
    assert.ok(queued)
    return queued
  }
  const fail = (): QueuedPod => {
    const queued = next()
    queue.failed(queued, queued.info.pod, FIT)
    return queued
  }
  return { clock, queue, next, fail }
}

const nameOf = ({ info }: QueuedPod): string => info.pod.metadata.name

const lengths = (more: Partial<SchedulingQueue['lengths']>): SchedulingQueue['lengths'] => ({
  active: 0,
  backoff: 0,
  unschedulable: 0,
  gated: 0,
  ...more,
})

test('pods come by priority, then age', () => {
  const { queue, next } = setUp()
  for (const p of [pod('old'), pod('young'), pod('important', { priority: 10 })]) queue.add(p)
  assert.deepEqual(
    [next(), next(), next()].map(({ info }) => info.pod.metadata.name),
    ['important', 'old', 'young'],
  )
})

test('a refused pod waits for a change that its plugin cares for, and its backoff', () => {
  const { clock, queue, fail } = setUp()
  queue.add(pod('p'))
  fail()
  assert.deepEqual(queue.lengths, lengths({ unschedulable: 1 }))
  queue.moved(POD_GONE)
  assert.deepEqual(queue.lengths, lengths({ unschedulable: 1 }))
  queue.moved(NODE_ADDED)
  assert.deepEqual(queue.lengths, lengths({ backoff: 1 }))
  return clock.advance(2_000).then(() => assert.deepEqual(queue.lengths, lengths({ active: 1 })))
})

test('a pod that was tried comes after those of its priority that wait already', async () => {
  const { clock, queue, next } = setUp()
  queue.add(pod('tried'))
  const tried = next()
  queue.add(pod('waits'))
  queue.moved(NODE_ADDED)
  queue.failed(tried, tried.info.pod, FIT)
  await clock.advance(2_000)
  assert.deepEqual([next(), next()].map(nameOf), ['waits', 'tried'])
})

test('backoffs that end in the same second end together, the most important pod first', async () => {
  const { clock, queue, next } = setUp()
  await clock.advance(100)
  const all = ['low', 'high'].map((name) => pod(name, { priority: name === 'high' ? 10 : 0 }))
  for (const one of all) {
    queue.add(one)
    const queued = next()
    queue.moved(NODE_ADDED)
    queue.failed(queued, one, FIT)
    await clock.advance(800)
  }
  await clock.advance(299)
  assert.deepEqual(queue.lengths, lengths({ backoff: 2 }))
  assert.equal(nameOf(next()), 'high')
  await clock.advance(1)
  assert.deepEqual(queue.lengths, lengths({ active: 1 }))
})

test('a hint may say that a change does not help after all', () => {
  const { queue, fail } = setUp(() => false)
  queue.add(pod('p'))
  fail()
  queue.moved(NODE_ADDED)
  assert.deepEqual(queue.lengths, lengths({ unschedulable: 1 }))
})

test('a change that came while a pod was tried counts for it', () => {
  const { queue, next } = setUp()
  queue.add(pod('p'))
  const queued = next()
  queue.moved(NODE_ADDED)
  queue.failed(queued, queued.info.pod, FIT)
  assert.deepEqual(queue.lengths, lengths({ backoff: 1 }))
  assert.equal(queue.inFlightEvents, 0)
})

test('while nothing else is to do a refused pod need not wait out its backoff, one that failed has to', () => {
  const { queue, next } = setUp()
  queue.add(pod('refused'))
  queue.add(pod('failed'))
  const refused = next()
  const failed = next()
  queue.moved(NODE_ADDED)
  queue.failed(refused, refused.info.pod, FIT)
  queue.retry(failed, failed.info.pod)
  assert.deepEqual(queue.lengths, lengths({ backoff: 2 }))
  assert.equal(queue.tryNext()?.info.pod.metadata.name, 'refused')
  assert.equal(queue.tryNext(), undefined)
})

test('backoff doubles from one second to ten', async () => {
  const { clock, queue, next } = setUp()
  queue.add(pod('p'))
  const waits: number[] = []
  for (let i = 0; i < 6; i++) {
    const queued = next()
    queue.retry(queued, queued.info.pod)
    waits.push(queued.backoffUntilMs - clock.now())
    await clock.advance(11_000)
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
})

test('a pod that waits for five minutes is tried again without a change', async () => {
  const { clock, queue, fail } = setUp()
  const stop = queue.start()
  queue.add(pod('p'))
  fail()
  await clock.advance(5 * 60_000)
  assert.deepEqual(queue.lengths, lengths({ unschedulable: 1 }))
  await clock.advance(30_000)
  assert.deepEqual(queue.lengths, lengths({ active: 1 }))
  stop()
})

test('a gated pod is not tried until its gates are gone', () => {
  const { queue } = setUp()
  const gated = pod('p', { schedulingGates: [{ name: 'g' }] })
  queue.add(gated)
  queue.moved(NODE_ADDED)
  assert.deepEqual(queue.lengths, lengths({ gated: 1 }))
  queue.update(gated, pod('p'))
  assert.deepEqual(queue.lengths, lengths({ active: 1 }))
})

test('a pod that is gone is not tried', () => {
  const { queue, fail } = setUp()
  queue.add(pod('p'))
  fail()
  queue.delete('p')
  queue.moved(NODE_ADDED)
  assert.equal(queue.tryNext(), undefined)
})
