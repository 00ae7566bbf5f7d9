import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { nodes, pods, type Node, type Pod, type Taint } from '../../api/kinds/core/v1.ts'
import { Client } from '../../client/client.ts'
import { HandFedInformers } from '../../client/testing/handFedInformers.ts'
import { taintEvictionController } from './taintEviction.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const nodeWith = (...taints: Taint[]): Node => ({ metadata: { ...META, name: 'n', uid: 'n' }, spec: { taints } })
/** As `kubectl taint` sets it: without a time. */
const TAINT: Taint = { key: 'k', effect: 'NoExecute' }
const POD: Pod = {
  metadata: { ...META, name: 'p', namespace: 'ns', uid: 'p' },
  spec: { containers: [], nodeName: 'n', tolerations: [{ key: 'k', operator: 'Exists', tolerationSeconds: 60 }] },
}

function setUp() {
  const clock = new FakeClock()
  const informers = new HandFedInformers()
  const deleted: string[] = []
  const client = new Client({
    async request({ verb, name = '' }) {
      if (verb === 'delete') deleted.push(name)
      return {}
    },
    watch: () => assert.fail('nothing is watched here'),
  })
  const { signal } = new AbortController()
  const told: string[] = []
  const events = { record: (_: unknown, { message }: { message: string }) => void told.push(message) }
  const controller = taintEvictionController({ client, informers, events, signal, log: silentLogger, clock })
  const look = async () => controller.reconcile('ns/p', signal)
  informers.set(pods, POD)
  return { clock, informers, deleted, told, look }
}

test('a toleration for a while runs out, also for a taint without a time', async () => {
  const { clock, informers, deleted, look } = setUp()
  informers.set(nodes, nodeWith(TAINT))
  assert.deepEqual(await look(), { requeueAfterMs: 60_000 })
  await clock.advance(40_000)
  assert.deepEqual(await look(), { requeueAfterMs: 20_000 })
  await clock.advance(20_000)
  await look()
  assert.deepEqual(deleted, ['p'])
})

test('a taint that goes and comes again starts anew', async () => {
  const { clock, informers, deleted, look } = setUp()
  informers.set(nodes, nodeWith(TAINT))
  await look()
  await clock.advance(40_000)
  informers.set(nodes, nodeWith())
  assert.equal(await look(), undefined)
  informers.set(nodes, nodeWith(TAINT))
  assert.deepEqual(await look(), { requeueAfterMs: 60_000 })
  assert.deepEqual(deleted, [])
})

test('a pod that comes to a node tainted long ago has its whole time', async () => {
  const { clock, informers, deleted, look } = setUp()
  informers.set(nodes, nodeWith({ ...TAINT, timeAdded: new Date(clock.now() - 3_600_000).toISOString() }))
  assert.deepEqual(await look(), { requeueAfterMs: 60_000 })
  assert.deepEqual(deleted, [])
})

test('a pod that has ended leaves like any other', async () => {
  const { informers, deleted, told, look } = setUp()
  informers.set(nodes, nodeWith(TAINT))
  informers.set(pods, { ...POD, spec: { ...POD.spec, tolerations: [] }, status: { phase: 'Succeeded' } })
  await look()
  assert.deepEqual(deleted, ['p'])
  assert.deepEqual(told, ['Marking for deletion Pod ns/p'])
})

test('who was to leave later and need not, or cannot any more, is told so once', async () => {
  const { informers, told, look } = setUp()
  const cancelled = 'Cancelling deletion of Pod ns/p'
  informers.set(nodes, nodeWith(TAINT))
  await look()
  informers.set(nodes, nodeWith())
  await look()
  await look()
  assert.deepEqual(told.splice(0), [cancelled])
  informers.set(nodes, nodeWith(TAINT))
  await look()
  informers.set(nodes, nodeWith(TAINT, { key: 'other', effect: 'NoExecute' }))
  await look()
  assert.deepEqual(told.splice(0), [cancelled, 'Marking for deletion Pod ns/p'])
  informers.set(nodes, nodeWith(TAINT))
  await look()
  informers.delete(pods, 'ns/p')
  await look()
  assert.deepEqual(told, [cancelled])
})
