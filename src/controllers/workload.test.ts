import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replicasets, type ReplicaSet } from '../api/kinds/apps/v1.ts'
import type { Controller } from '../reconcile/controller.ts'
import { Client, type ResourceRequest } from '../client/client.ts'
import { HandFedInformers } from '../client/testing/handFedInformers.ts'
import { selectingAll, workloadController, type Workload } from './workload.ts'

const set = (name: string, { app = 'web', replicas = 0, resourceVersion = '1' } = {}): ReplicaSet => ({
  metadata: { name, namespace: 'ns', uid: name, resourceVersion, creationTimestamp: '' },
  spec: { selector: { matchLabels: app ? { app } : {} } },
  status: { replicas },
})

/** Wants as many replicas in the status as its stock says. */
function world(given: Partial<Workload<ReplicaSet, number, number>> = {}) {
  const informers = new HandFedInformers()
  const told: string[] = []
  const steps: string[] = []
  const request = async ({ verb, subresource, body }: ResourceRequest): Promise<unknown> => {
    steps.push(`${verb} ${subresource ?? ''}`.trim())
    return { ...(body as ReplicaSet), metadata: { ...(body as ReplicaSet).metadata, resourceVersion: '9' } }
  }
  const watch = (): never => assert.fail('watched')
  const controller: Controller = workloadController<ReplicaSet, number, number>(
    { client: new Client({ request, watch }), informers, events: { record: (_, { reason }) => void told.push(reason) } },
    {
      name: 'replicaset-controller',
      resource: replicasets,
      watches: [],
      writesTo: [],
      takeStock: async () => 3,
      plan: (stock) => stock,
      apply: async ({ object, report }, replicas) => {
        steps.push('apply')
        await report({ ...object, status: { replicas } })
      },
      forget: (key) => void steps.push(`forget ${key}`),
      ...given,
    },
  )
  return { informers, told, steps, reconcile: (key: string) => controller.reconcile(key, AbortSignal.timeout(60_000)) }
}

test('a pass takes stock, plans and applies; the next waits until the cache shows what this one wrote', async () => {
  const { informers, steps, reconcile } = world()
  informers.set(replicasets, set('a'))
  assert.equal(await reconcile('ns/a'), undefined)
  assert.deepEqual(steps, ['apply', 'update status'])
  assert.ok(await reconcile('ns/a'), 'waits')
  assert.deepEqual(steps, ['apply', 'update status'])
})

test('what is reported already is not written again', async () => {
  const { informers, steps, reconcile } = world()
  informers.set(replicasets, set('a', { replicas: 3 }))
  await reconcile('ns/a')
  await reconcile('ns/a')
  assert.deepEqual(steps, ['apply', 'apply'])
})

test('an object that is refused is told so and left alone, one that is gone is forgotten', async () => {
  const { informers, told, steps, reconcile } = world({ refusal: selectingAll('replica set') })
  informers.set(replicasets, set('a', { app: '' }))
  await reconcile('ns/a')
  await reconcile('ns/gone')
  assert.deepEqual([told, steps], [['SelectingAll'], ['forget ns/gone']])
})

test('nothing is planned before other caches show what was written, or where there is no stock', async () => {
  const waiting = world({ writesTo: [{ showWrites: async () => false }] })
  waiting.informers.set(replicasets, set('a'))
  assert.ok(await waiting.reconcile('ns/a'))
  const none = world({ takeStock: async () => undefined })
  none.informers.set(replicasets, set('a'))
  assert.equal(await none.reconcile('ns/a'), undefined)
  assert.deepEqual([waiting.steps, none.steps], [[], []])
})
