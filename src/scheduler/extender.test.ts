import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import type { Pod } from '../api/kinds/core/v1.ts'
import { SchedulerCache } from './cache.ts'
import { readSchedulerConfiguration } from './configuration/configuration.ts'
import { createExtenders, type HttpExtenders } from './extender.ts'
import { newPodInfo } from './podInfo.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const POD: Pod = { metadata: { ...META, uid: 'p', name: 'p', namespace: 'ns' }, spec: { containers: [{ name: 'c', image: 'x' }] } }

async function setUp(
  t: TestContext,
  answers: Record<string, unknown>,
  more = '',
): Promise<{ extenders: HttpExtenders; cache: SchedulerCache; asked: unknown[] }> {
  const asked: unknown[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      asked.push(JSON.parse(Buffer.concat(chunks).toString()))
      const answer = answers[(request.url ?? '').slice(1)]
      response.statusCode = answer === undefined ? 500 : 200
      response.end(JSON.stringify(answer ?? null))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const { extenders: configurations } = readSchedulerConfiguration(`
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
extenders:
- {urlPrefix: 'http://127.0.0.1:${port}', filterVerb: filter, prioritizeVerb: prioritize, bindVerb: bind, weight: 2, nodeCacheCapable: true${more}}
`)
  const cache = new SchedulerCache(new FakeClock())
  for (const name of ['a', 'b', 'c']) cache.setNode({ metadata: { ...META, uid: name, name }, spec: {} })
  const extenders = createExtenders({ configurations, view: cache, log: silentLogger, signal: new AbortController().signal })
  assert.ok(extenders)
  return { extenders, cache, asked }
}

test('an extender takes nodes out and says why, in whatever case it writes', async (t) => {
  const answer = { nodenames: ['a'], failedNodes: { b: 'too slow' }, FailedAndUnresolvableNodes: { c: 'never' } }
  const { extenders, cache, asked } = await setUp(t, { filter: answer })
  const { feasible, failures } = await extenders.filter(newPodInfo(POD), cache.nodes)
  assert.deepEqual(
    feasible.map(({ name }) => name),
    ['a'],
  )
  assert.deepEqual(
    [...failures],
    [
      ['b', { reason: 'too slow', isResolvable: true }],
      ['c', { reason: 'never', isResolvable: false }],
    ],
  )
  assert.deepEqual((asked[0] as { NodeNames: string[] }).NodeNames, ['a', 'b', 'c'])
})

test('its scores count by its weight, on the scheduler’s scale', async (t) => {
  const { extenders, cache } = await setUp(t, {
    prioritize: [
      { Host: 'a', Score: 3 },
      { host: 'b', score: 10 },
    ],
  })
  assert.deepEqual(
    [...(await extenders.prioritize(newPodInfo(POD), cache.nodes))],
    [
      ['a', 60],
      ['b', 200],
    ],
  )
})

test('one that fails ends the attempt, unless it may be ignored', async (t) => {
  const strict = await setUp(t, {})
  await assert.rejects(strict.extenders.filter(newPodInfo(POD), strict.cache.nodes), /failed filter with extender/)
  const lenient = await setUp(t, {}, ', ignorable: true')
  assert.equal((await lenient.extenders.filter(newPodInfo(POD), lenient.cache.nodes)).feasible.length, 3)
})

test('it binds the pods that it is interested in', async (t) => {
  const { extenders, asked } = await setUp(t, { bind: {} })
  await extenders.binder(newPodInfo(POD))?.(POD, 'a')
  assert.deepEqual(asked[0], { PodName: 'p', PodNamespace: 'ns', PodUID: 'p', Node: 'a' })
})

test('a node that was not asked about is an error', async (t) => {
  const { extenders, cache } = await setUp(t, { filter: { NodeNames: ['z'] } })
  await assert.rejects(extenders.filter(newPodInfo(POD), cache.nodes), {
    message: /^extender "http:\/\/127\.0\.0\.1:\d+" claims a filtered node "z" which is not found in the input node list$/,
  })
})

test('an extender that fails and may be ignored leaves the binding to others', async (t) => {
  const strict = await setUp(t, {})
  await assert.rejects(async () => strict.extenders.binder(newPodInfo(POD))?.(POD, 'a'), {
    message: /^failed bind with extender at URL .*, code 500$/,
  })
  const { extenders } = await setUp(t, {}, ', ignorable: true')
  assert.equal(await extenders.binder(newPodInfo(POD))?.(POD, 'a'), false)
})

test('an extender that is not interested in a pod does not choose its victims', async (t) => {
  const { extenders, asked } = await setUp(t, {}, ', preemptVerb: preempt, managedResources: [{name: example.com/x}]')
  const candidates = [{ nodeName: 'a', pods: [], violations: 0 }]
  assert.deepEqual(await extenders.processPreemption(POD, candidates), candidates)
  assert.deepEqual(asked, [])
})

test('nobody there is told as Go tells it', async (t) => {
  const configurations = readSchedulerConfiguration(`
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
extenders: [{urlPrefix: 'http://127.0.0.1:1', filterVerb: filter}]
`).extenders
  const view = new SchedulerCache(new FakeClock())
  view.setNode({ metadata: { ...META, uid: 'a', name: 'a' }, spec: {} })
  const extenders = createExtenders({ configurations, view, log: silentLogger, signal: t.signal })
  await assert.rejects(async () => extenders?.filter(newPodInfo(POD), view.nodes), {
    message: 'Post "http://127.0.0.1:1/filter": dial tcp 127.0.0.1:1: connect: connection refused',
  })
})
