import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/kinds/flowcontrol/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { flowSchemas, priorityLevels } from '../bootstrap/flowControl.ts'
import type { UserInfo } from '../request.ts'
import { parseRequestInfo } from '../transport/requestInfo.ts'
import { correction, danglingCondition } from './maintenance.ts'
import { distinguisherOf, inPrecedence, matchesSchema } from './matching.ts'
import { PriorityLevel } from './priorityLevel.ts'
import type { LevelConfiguration, RejectedError, Ticket } from './priorityLevel.ts'
import { allocateSeats, mayBorrow } from './seats.ts'
import { dealHand, hashText } from './shuffle.ts'
import { seatsOf } from './workEstimate.ts'

const SCHEMAS = inPrecedence(flowSchemas() as FlowSchema[])
const userOf = (name: string, ...groups: string[]): UserInfo => ({ name, groups: [...groups, 'system:authenticated'], extra: {} })

test('requests find their schema', () => {
  const node = userOf('system:node:a', 'system:nodes')
  const account = userOf('system:serviceaccount:default:x', 'system:serviceaccounts', 'system:serviceaccounts:default')
  const cases: [UserInfo, string, string, string][] = [
    [userOf('admin', 'system:masters'), 'GET', '/api/v1/pods', 'exempt'],
    [{ name: 'system:anonymous', groups: ['system:unauthenticated'], extra: {} }, 'GET', '/livez/ping', 'probes'],
    [node, 'PATCH', '/api/v1/nodes/a/status', 'system-node-high'],
    [node, 'PUT', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/a', 'system-node-high'],
    [node, 'GET', '/api/v1/pods', 'system-nodes'],
    [userOf('system:kube-scheduler'), 'PUT', '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/s', 'system-leader-election'],
    [userOf('system:kube-scheduler'), 'GET', '/api/v1/pods', 'kube-scheduler'],
    [userOf('system:serviceaccount:kube-system:dns', 'system:serviceaccounts'), 'GET', '/api/v1/pods', 'kube-system-service-accounts'],
    [account, 'GET', '/api/v1/pods', 'service-accounts'],
    [userOf('jane'), 'GET', '/version', 'global-default'],
  ]
  for (const [user, method, path, expected] of cases) {
    const info = parseRequestInfo(method, path, new URLSearchParams())
    assert.equal(SCHEMAS.find((schema) => matchesSchema(schema, user, info))?.metadata.name, expected, `${user.name} ${method} ${path}`)
  }
})

test('flows of a schema', () => {
  const info = parseRequestInfo('GET', '/api/v1/namespaces/n/pods', new URLSearchParams())
  const by = (type: string): FlowSchema => ({ spec: { distinguisherMethod: { type } } }) as FlowSchema
  assert.equal(distinguisherOf(by('ByUser'), userOf('jane'), info), 'jane')
  assert.equal(distinguisherOf(by('ByNamespace'), userOf('jane'), info), 'n')
  assert.equal(distinguisherOf({ spec: {} } as FlowSchema, userOf('jane'), info), '')
})

test('seats by shares, and what of them is lent', () => {
  const limits = allocateSeats(priorityLevels() as PriorityLevelConfiguration[], 600)
  assert.deepEqual(limits.get('workload-low'), { nominal: 245, lower: 24, upper: 845 })
  assert.deepEqual(limits.get('catch-all'), { nominal: 13, lower: 13, upper: 613 })
  assert.deepEqual(limits.get('exempt'), { nominal: 0, lower: 0, upper: 600 })
  const lender = { nominal: 10, lower: 4, upper: Infinity, used: 2 }
  const borrower = { nominal: 5, lower: 5, upper: 10, used: 5 }
  assert.equal(mayBorrow([lender, borrower], borrower, 5), true)
  assert.equal(mayBorrow([lender, borrower], borrower, 6), false, 'beyond its limit')
  assert.equal(mayBorrow([{ ...lender, used: 9 }, borrower], borrower, 2), false, 'the lender uses them')
  assert.equal(mayBorrow([lender, borrower, { nominal: 1, lower: 1, upper: 9, used: 6 }], borrower, 2), false, 'lent to another')
})

test('hands are of different queues, and the same for the same flow', () => {
  for (let i = 0; i < 200; i++) {
    const hand = dealHand(hashText(`flow-${i}`), 128, 6)
    assert.equal(new Set(hand).size, 6)
    assert.ok(hand.every((card) => card >= 0 && card < 128))
    assert.deepEqual(hand, dealHand(hashText(`flow-${i}`), 128, 6))
  }
  assert.deepEqual(new Set(dealHand(hashText('x'), 4, 4)), new Set([0, 1, 2, 3]))
})

function levelOf(configuration: Partial<LevelConfiguration>): { level: PriorityLevel; clock: FakeClock } {
  const clock = new FakeClock()
  const level: PriorityLevel = new PriorityLevel({
    name: 'l',
    configuration: {
      nominal: 2,
      lower: 2,
      upper: 2,
      exempt: false,
      queuing: { queues: 16, handSize: 2, queueLengthLimit: 3 },
      ...configuration,
    },
    mayBorrow: () => false,
    onFree: () => level.dispatch(),
    waitLimitMs: 1000,
    clock,
  })
  return { level, clock }
}
const never = (): void => {}
const flow = (name: string) => () => hashText(name)

test('a flow that sends much waits behind itself', async () => {
  const { level } = levelOf({ nominal: 1, queuing: { queues: 64, handSize: 2, queueLengthLimit: 50 } })
  const order: string[] = []
  const running: Ticket[] = []
  const enter = (name: string): void =>
    void Promise.resolve(level.enter(flow(name), 1, never)).then((ticket) => {
      order.push(name)
      running.push(ticket)
    })
  for (let i = 0; i < 20; i++) enter('noisy')
  enter('quiet')
  for (let i = 0; i < 6; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    running.shift()?.release()
  }
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(order.indexOf('quiet') >= 0 && order.indexOf('quiet') <= 3, order.join(' '))
})

test('where there is no seat, what can wait does so in vain; what cannot goes one by one', async () => {
  const none = { nominal: 0, lower: 0, upper: 0 }
  const { level, clock } = levelOf(none)
  const waiting = Promise.resolve(level.enter(flow('a'), 1, never))
  clock.advance(1000)
  await assert.rejects(waiting, (error: RejectedError) => error.reason === 'time-out')
  const { level: rejecting } = levelOf(none)
  rejecting.configure({ ...none, exempt: false })
  const held = rejecting.enter(flow('a'), 1, never) as Ticket
  assert.throws(() => rejecting.enter(flow('a'), 1, never), { reason: 'concurrency-limit' })
  held.release()
  rejecting.enter(flow('a'), 1, never)
})

test('full queues and long waits are refused, and so is all where nothing may wait', async () => {
  const { level, clock } = levelOf({})
  const held = [level.enter(flow('a'), 1, never), level.enter(flow('a'), 1, never)] as Ticket[]
  const waiting = Array.from({ length: 6 }, () => Promise.resolve(level.enter(flow('a'), 1, never)))
  assert.throws(
    () => level.enter(flow('a'), 1, never),
    (error: RejectedError) => error.reason === 'queue-full',
  )
  assert.equal(level.waiting, 6)
  clock.advance(1000)
  const outcomes = await Promise.allSettled(waiting)
  assert.ok(outcomes.every((o) => o.status === 'rejected' && (o.reason as RejectedError).reason === 'time-out'))
  assert.equal(level.waiting, 0)
  for (const ticket of held) ticket.release()
  held[0]?.release()
  assert.equal(level.used, 0)
  const { level: rejecting } = levelOf({ nominal: 1 })
  rejecting.configure({ nominal: 1, lower: 1, upper: 1, exempt: false })
  rejecting.enter(flow('a'), 1, never)
  assert.throws(
    () => rejecting.enter(flow('a'), 1, never),
    (error: RejectedError) => error.reason === 'concurrency-limit',
  )
})

test('who has gone does not get a seat', async () => {
  const { level } = levelOf({ nominal: 1 })
  const held = level.enter(flow('a'), 1, never) as Ticket
  let go = never
  const waiting = Promise.resolve(level.enter(flow('b'), 1, (callback) => (go = callback)))
  go()
  await assert.rejects(waiting, (error: RejectedError) => error.reason === 'cancelled')
  held.release()
  assert.deepEqual([level.used, level.waiting], [0, 0])
})

test('lists take seats by what they look at', () => {
  const seats = (path: string, query = '', count = 950): number => {
    const parameters = new URLSearchParams(query)
    return seatsOf(parseRequestInfo('GET', path, parameters), parameters, () => count)
  }
  assert.equal(seats('/api/v1/pods'), 10)
  assert.equal(seats('/api/v1/pods', 'limit=100'), 1)
  assert.equal(seats('/api/v1/pods', 'limit=100&labelSelector=a'), 10)
  assert.equal(seats('/api/v1/namespaces/n/pods/p'), 1)
  assert.equal(seats('/api/v1/pods', 'fieldSelector=metadata.name=p'), 1)
  assert.equal(seats('/api/v1/pods', 'watch=true&resourceVersion=5'), 1)
  assert.equal(seats('/api/v1/pods', 'watch=true'), 10)
})

test('defaults are kept as they should be, and what people took over is left alone', () => {
  const wanted = (flowSchemas() as FlowSchema[]).find(({ metadata }) => metadata.name === 'system-nodes') as FlowSchema
  const stored = (changes: object, annotations?: Record<string, string>) =>
    ({
      ...wanted,
      metadata: { ...wanted.metadata, generation: 2, ...(annotations && { annotations }) },
      spec: { ...wanted.spec, ...changes },
    }) as FlowSchema
  assert.equal(correction(undefined, wanted), 'create')
  assert.equal(correction(stored({}), wanted), undefined)
  assert.equal(correction(stored({ matchingPrecedence: 7 }), wanted), 'update')
  assert.equal(correction(stored({ matchingPrecedence: 7 }, { 'apf.kubernetes.io/autoupdate-spec': 'false' }), wanted), undefined)
  assert.equal(danglingCondition(wanted, false).reason, 'NotFound')
})
