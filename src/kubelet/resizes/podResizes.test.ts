import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerStatus, Pod, ResourceRequirements } from '../../api/kinds/core/v1.ts'
import type { Rejection } from '../pods/rejection.ts'
import { PodResizes } from './podResizes.ts'
import { resizeConditions } from './resizeConditions.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const requests = (cpu: string): ResourceRequirements => ({ requests: { cpu, 'example.com/gpu': '1' } })

function pod(cpu: string, { generation = 1, told }: { generation?: number; told?: string } = {}): Pod {
  const status = { name: 'c', allocatedResources: { cpu: told }, resources: { requests: { cpu: told } } } as unknown as ContainerStatus
  return {
    metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '1', creationTimestamp: '', generation },
    spec: { containers: [{ name: 'c', image: 'i', resources: requests(cpu) }] },
    ...(told && { status: { containerStatuses: [status] } }),
  } as Pod
}
const given = (of: Pod): ResourceRequirements | undefined => of.spec?.containers[0]?.resources

class World {
  lack: Rejection | undefined
  /** Millicores that are left for all pods together; each pod is judged against them. */
  leftMilli = Infinity
  readonly given: string[] = []
  readonly told: string[] = []
  readonly resizes = new PodResizes({
    events: { record: (_, { reason = '' }) => this.told.push(reason) },
    judge: (pod) => this.fits(pod),
    onGiven: (uid) => this.given.push(uid),
  })

  fits({ metadata, spec }: Pod): Rejection | undefined {
    const milli = Number(spec?.containers[0]?.resources?.requests?.cpu ?? 0) * 1000
    if (this.lack || milli > this.leftMilli) return this.lack ?? { reason: 'OutOfcpu', message: `no room for ${metadata.uid}` }
    this.leftMilli -= milli
    return undefined
  }
}

test('what fits is given at once, and told', () => {
  const { resizes, told } = new World()
  const first = pod('1')
  assert.equal(resizes.review(first), first)
  assert.deepEqual(told, [])
  assert.deepEqual(given(resizes.review(pod('2', { generation: 2 }))), requests('2'))
  assert.deepEqual(told, ['ResizeStarted'])
  assert.deepEqual(resizes.state('u').generation, 2)
})

test('what does not fit waits, once told, with what the pod had; and is given when there is room', () => {
  const world = new World()
  const { resizes, told } = world
  resizes.review(pod('1'))
  world.lack = { reason: 'OutOfcpu', message: 'no room' }
  for (let i = 0; i < 2; i++) assert.deepEqual(given(resizes.review(pod('9', { generation: 2 }))), requests('1'))
  assert.deepEqual(resizes.state('u').pending, { reason: 'Deferred', message: 'no room', generation: 2 })
  assert.equal(resizes.retryAtMs('u', NOW), NOW + 10_000)
  resizes.review(pod('8', { generation: 3 }))
  assert.deepEqual(told, ['ResizeDeferred', 'ResizeDeferred'])
  world.lack = undefined
  assert.deepEqual(given(resizes.review(pod('8', { generation: 3 }))), requests('8'))
  assert.deepEqual([resizes.state('u').pending, resizes.retryAtMs('u', NOW)], [undefined, undefined])
})

test('a wish that is taken back leaves nothing pending', () => {
  const world = new World()
  world.resizes.review(pod('1'))
  world.lack = { reason: 'OutOfcpu', message: 'no room' }
  world.resizes.review(pod('9', { generation: 2 }))
  world.resizes.review(pod('1', { generation: 3 }))
  assert.equal(world.resizes.state('u').pending, undefined)
})

test('what an earlier kubelet gave counts', () => {
  const world = new World()
  world.lack = { reason: 'OutOfcpu', message: 'no room' }
  assert.deepEqual(given(world.resizes.review(pod('9', { told: '1' }))), requests('1'))
})

test('a failure is told once, and is over with the first success', () => {
  const { resizes, told } = new World()
  resizes.review(pod('1'))
  for (let i = 0; i < 2; i++) resizes.failed(pod('1'), 'busy')
  assert.deepEqual([told, resizes.state('u').error], [['ResizeError'], 'busy'])
  resizes.succeeded('u')
  assert.equal(resizes.state('u').error, undefined)
})

test('conditions', () => {
  const rest = { podGeneration: 3, before: [], nowMs: NOW }
  const types = (more: object): unknown[] =>
    resizeConditions({ ...rest, inProgress: false, ...more }).map((c) => [c.type, c.reason, c.observedGeneration])
  assert.deepEqual(types({}), [])
  assert.deepEqual(types({ inProgress: true }), [['PodResizeInProgress', undefined, 3]])
  assert.deepEqual(types({ inProgress: true, error: 'busy', generation: 2 }), [['PodResizeInProgress', 'Error', 2]])
  const pending = { reason: 'Deferred', message: 'm', generation: 4 }
  assert.deepEqual(types({ pending }), [['PodResizePending', 'Deferred', 4]])
  const [first] = resizeConditions({ ...rest, inProgress: true })
  const later = { ...rest, nowMs: NOW + 5000, podGeneration: 9, before: first ? [first] : [] }
  assert.deepEqual(resizeConditions({ ...later, inProgress: true }), [first])
})

test('what is given to a pod as a whole is resized like what its containers have, also by a kubelet that begins anew', () => {
  const whole = (cpu: string, generation: number, told?: string): Pod => {
    const base = pod('1', { generation, told: '1' })
    // The status tells of the containers' sums, too.
    const status = {
      ...base.status,
      ...(told && { resources: { requests: { cpu: told, memory: '5Mi' } }, allocatedResources: { cpu: told, memory: '5Mi' } }),
    }
    return { ...base, spec: { ...base.spec!, resources: { requests: { cpu } } }, status }
  }
  const world = new World()
  assert.deepEqual(world.resizes.review(whole('2', 1, '2')).spec?.resources, { requests: { cpu: '2' } })
  assert.deepEqual([world.told, world.resizes.state('u').wholeInForce], [[], undefined])
  assert.deepEqual(world.resizes.review(whole('3', 2, '2')).spec?.resources, { requests: { cpu: '3' } })
  assert.deepEqual([world.told, world.resizes.state('u').wholeInForce?.requests], [['ResizeStarted'], { cpu: '2', 'example.com/gpu': '1' }])
  world.resizes.succeeded('u')
  assert.equal(world.resizes.state('u').wholeInForce, undefined)
  const again = new World()
  again.lack = { reason: 'OutOfcpu', message: 'no room' }
  assert.deepEqual(again.resizes.review(whole('9', 3, '3')).spec?.resources, { requests: { cpu: '3' } })
})

test('when there is room again, what takes nothing comes first, then priority, class and the time of waiting decide', () => {
  const world = new World()
  const named = (
    uid: string,
    cpu: string,
    generation: number,
    { priority, guaranteed = false }: { priority?: number; guaranteed?: boolean } = {},
  ): Pod => {
    const base = pod(cpu, { generation })
    const resources = guaranteed ? { requests: { cpu, memory: '1Mi' }, limits: { cpu, memory: '1Mi' } } : requests(cpu)
    const spec = { ...base.spec!, ...(priority && { priority }), containers: [{ name: 'c', image: 'i', resources }] }
    return { ...base, metadata: { ...base.metadata, uid }, spec }
  }
  const wishes = (cpu: string, generation: number): Pod[] => [
    named('early', cpu, generation),
    named('late', cpu, generation),
    named('guaranteed', cpu, generation, { guaranteed: true }),
    named('high', cpu, generation, { priority: 5 }),
  ]
  for (const one of wishes('1', 1)) world.resizes.review(one)
  world.leftMilli = 0
  for (const one of wishes('2', 2)) assert.deepEqual(given(world.resizes.review(one))?.requests?.cpu, '1')
  const got: string[][] = []
  for (let i = 0; i < 4; i++) {
    world.leftMilli = 2000
    world.given.length = 0
    world.resizes.retry()
    got.push([...world.given])
  }
  assert.deepEqual(got, [['high'], ['guaranteed'], ['early'], ['late']])
  // One that gives something back has the others looked at.
  for (const one of wishes('3', 3).slice(0, 2)) world.resizes.review(one)
  world.leftMilli = 4000
  world.given.length = 0
  world.resizes.review(named('high', '1', 3, { priority: 5 }))
  assert.deepEqual(world.given, ['early'])
  world.leftMilli = 9000
  world.given.length = 0
  world.resizes.forget('late')
  assert.deepEqual(world.given, [])
})
