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
  const controller = taintEvictionController({ client, informers, events: { record: () => {} }, signal, log: silentLogger, clock })
  const look = async () => controller.reconcile('ns/p', signal)
  informers.set(pods, POD)
  return { clock, informers, deleted, look }
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
