import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { nodes, pods, type Node, type Pod } from '../api/kinds/core/v1.ts'
import { newConflict } from '../api/status.ts'
import { Client, type ResourceRequest } from '../client/client.ts'
import { HandFedInformers } from '../client/testing/handFedInformers.ts'
import { runScheduler } from './scheduler.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const NODE: Node = {
  metadata: { ...META, uid: 'n', name: 'n' },
  spec: {},
  status: { allocatable: { cpu: '2', memory: '4Gi', pods: '10' } },
}
const POD: Pod = {
  metadata: { ...META, uid: 'p', name: 'p', namespace: 'default' },
  spec: { schedulerName: 'default-scheduler', containers: [{ name: 'c', image: 'x' }] },
}

function setUp(t: TestContext) {
  const clock = new FakeClock()
  const stop = new AbortController()
  const fed = new HandFedInformers()
  const bindings: { answer: PromiseWithResolvers<unknown> }[] = []
  const client = new Client({
    request({ subresource }: ResourceRequest) {
      assert.equal(subresource, 'binding')
      const answer = Promise.withResolvers<unknown>()
      bindings.push({ answer })
      return answer.promise
    },
    watch: () => assert.fail('nothing is watched here'),
  })
  const context = { signal: stop.signal, log: silentLogger, clock, ready: () => {} }
  const running = runScheduler({ client, informers: fed, events: { record: () => {} } }, context)
  t.after(async () => {
    stop.abort()
    await running
  })
  return { clock, fed, bindings }
}

test('a pod that changes while it is being bound is not scheduled a second time', async (t) => {
  const { clock, fed, bindings } = setUp(t)
  fed.set(nodes, NODE)
  fed.set(pods, POD)
  await clock.advance(0)
  assert.equal(bindings.length, 1)
  fed.set(pods, { ...POD, metadata: { ...POD.metadata, resourceVersion: '2', labels: { new: 'label' } } })
  await clock.advance(20_000)
  assert.equal(bindings.length, 1)
})

test('a pod whose binding fails is tried again after its backoff', async (t) => {
  const { clock, fed, bindings } = setUp(t)
  fed.set(nodes, NODE)
  fed.set(pods, POD)
  await clock.advance(0)
  bindings[0]?.answer.reject(newConflict(pods, 'p', 'changed'))
  await clock.advance(1_999)
  assert.equal(bindings.length, 1)
  await clock.advance(1)
  assert.equal(bindings.length, 2)
})

test('a pod that another scheduler has bound meanwhile is left alone', async (t) => {
  const { clock, fed, bindings } = setUp(t)
  fed.set(nodes, NODE)
  fed.set(pods, POD)
  await clock.advance(0)
  const bound: Pod = { ...POD, spec: { ...POD.spec, nodeName: 'n' } }
  fed.set(pods, bound)
  bindings[0]?.answer.reject(newConflict(pods, 'p', 'is already assigned to node "n"'))
  await clock.advance(20_000)
  assert.equal(bindings.length, 1)
})
