import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { nodes, pods, type Node, type NodeCondition, type Pod, type Taint } from '../../api/kinds/core/v1.ts'
import { Client } from '../../client/client.ts'
import { HandFedInformers } from '../../client/testing/handFedInformers.ts'
import { nodeLifecycleController } from './nodeLifecycle.ts'

const node = (name: string, ready?: string): Node => ({
  metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: new Date(new FakeClock().now()).toISOString() },
  spec: {},
  status: { conditions: ready ? [{ type: 'Ready', status: ready }] : [] },
})
const pod = (name: string, phase = 'Running'): Pod => ({
  metadata: { name, namespace: 'ns', uid: name, resourceVersion: '1', creationTimestamp: '' },
  spec: { containers: [], nodeName: 'n' },
  status: { phase, conditions: [{ type: 'Ready', status: 'True' }] },
})

/** Writes come back through the informers, as through a server. */
function setUp() {
  const clock = new FakeClock()
  const informers = new HandFedInformers()
  const taintsOf = new Map<string, readonly Taint[]>()
  const markedPods: string[] = []
  const told: string[] = []
  const client = new Client({
    async request({ verb, resource, name = '', body }) {
      const object = body as Node & Pod
      if (resource.resource === 'nodes' && verb === 'update') informers.set(nodes, object)
      else if (resource.resource === 'nodes') taintsOf.set(name, object.spec?.taints ?? [])
      else markedPods.push(name)
      return object
    },
    watch: () => assert.fail('nothing is watched here'),
  })
  const { signal } = new AbortController()
  const events = { record: (_: unknown, { reason }: { reason: string }) => void told.push(reason) }
  const controller = nodeLifecycleController({ client, informers, events, signal, log: silentLogger, clock })
  for (const watch of controller.watches) watch.start(informers, () => {})
  const effects = (name: string): string[] => (taintsOf.get(name) ?? []).map(({ effect }) => effect)
  return { clock, informers, effects, markedPods, told, look: (name: string) => controller.reconcile(name, signal) }
}

test('a node that has not reported yet takes no turn from one that is not ready', async () => {
  const { informers, effects, look } = setUp()
  for (const one of [node('ready', 'True'), node('new'), node('lost', 'False')]) informers.set(nodes, one)
  for (const name of ['ready', 'new', 'lost']) await look(name)
  assert.deepEqual(effects('new'), [])
  assert.deepEqual(effects('lost'), ['NoSchedule', 'NoExecute'])
})

test('the pods of a node that falls silent are not ready; what is said of them later stays', async () => {
  const { clock, informers, markedPods, told, look } = setUp()
  const silent: NodeCondition[] = [{ type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-01T00:00:00Z' }]
  for (const one of [pod('a'), pod('done', 'Succeeded')]) informers.set(pods, one)
  informers.set(nodes, { ...node('n'), status: { conditions: silent } })
  await look('n')
  await clock.advance(50_000)
  await look('n')
  await look('n')
  assert.deepEqual(markedPods, ['a'])
  assert.deepEqual(told, ['RegisteredNode', 'NodeNotReady', 'NodeNotReady'])
  await look('n')
  assert.deepEqual(markedPods, ['a'])
})

test('of a node that never reported nothing is told but that it is unknown', async () => {
  const { clock, informers, markedPods, told, look } = setUp()
  informers.set(nodes, node('n'))
  informers.set(pods, pod('a'))
  await look('n')
  await clock.advance(60_000)
  await look('n')
  await look('n')
  assert.deepEqual([markedPods, told], [[], ['RegisteredNode']])
})
